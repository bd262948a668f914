// Takes what this process writes to standard output and standard error while it lives.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace app::cli {

class captured_output {
  public:
    captured_output() : out_(begin(STDOUT_FILENO)), error_(begin(STDERR_FILENO)) {}
    ~captured_output() {
        end(STDOUT_FILENO, out_);
        end(STDERR_FILENO, error_);
    }
    captured_output(const captured_output&) = delete;
    captured_output& operator=(const captured_output&) = delete;

    [[nodiscard]] std::string out() const { return read(out_.file); }
    [[nodiscard]] std::string error() const { return read(error_.file); }

  private:
    struct stream {
        int kept;
        int file;
    };
    static stream begin(int fd) {
        char name[] = "/tmp/weir-captured-XXXXXX";
        const stream made{::dup(fd), ::mkstemp(name)};
        ::unlink(name);
        ::dup2(made.file, fd);
        return made;
    }
    static void end(int fd, const stream& made) {
        ::dup2(made.kept, fd);
        ::close(made.kept);
        ::close(made.file);
    }
    static std::string read(int file) {
        std::string all;
        char part[65536];
        ssize_t n = 0;
        while ((n = ::pread(file, part, sizeof part, static_cast<off_t>(all.size()))) > 0)
            all.append(part, static_cast<std::size_t>(n));
        return all;
    }

    stream out_;
    stream error_;
};

}  // namespace app::cli
