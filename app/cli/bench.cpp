#include "bench/bench.hpp"

#include "app/cli/commands.hpp"

namespace app::cli {

int run_bench(const common_options& common, const bench_command& what) {
    bench::command_defaults defaults;
    defaults.server = common.server;
    defaults.json_output = common.output == output_format::json;
    return bench::run(what.arguments, defaults);
}

}  // namespace app::cli
