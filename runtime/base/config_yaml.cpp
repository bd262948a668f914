// The file part of the configuration registry; the only place that knows yaml-cpp.
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "runtime/base/config.hpp"

namespace runtime {

// Walks the document once. Aliases may make a small file a huge tree, so visited nodes are counted.
struct configuration::yaml_reader {
    configuration& target;
    const std::string& file_name;
    std::size_t nodes = 0;
    bool gave_up = false;
    std::set<std::string, std::less<>> seen;

    [[nodiscard]] std::string place(const YAML::Mark& mark) const {
        return file_name + ":" + std::to_string(mark.line + 1);
    }
    void error(const YAML::Mark& mark, const std::string& what) { target.errors_.push_back(place(mark) + ": " + what); }

    void walk(const YAML::Node& node, const std::string& name, int depth) {
        if (gave_up) return;
        if (++nodes > file_nodes_max || depth > file_depth_max) {
            gave_up = true;
            error(node.Mark(), "the file is larger or deeper than a configuration may be (" +
                                   std::to_string(file_nodes_max) + " nodes, depth " + std::to_string(file_depth_max) +
                                   ")");
            return;
        }
        if (!node.IsMap()) {
            leaf(node, name);
            return;
        }
        for (const auto& entry : node) {
            if (!entry.first.IsScalar()) {
                error(entry.first.Mark(), "a key must be a plain word");
                continue;
            }
            const std::string full = name.empty() ? entry.first.Scalar() : name + "." + entry.first.Scalar();
            // A section that holds nothing is no mistake.
            if (entry.second.IsNull() && target.is_section(full)) continue;
            if (!entry.second.IsMap()) {
                key(entry.first, full);
                if (!target.find(full)) continue;
            }
            walk(entry.second, full, depth + 1);
        }
    }
    void key(const YAML::Node& where, const std::string& full) {
        if (!target.find(full)) error(where.Mark(), full + ": there is no such property" + target.nearest_name(full));
        if (!seen.insert(full).second) error(where.Mark(), full + ": it is set twice in this file");
    }
    void leaf(const YAML::Node& node, const std::string& name) {
        if (name.empty()) {
            if (!node.IsNull()) error(node.Mark(), "a configuration is a map of properties");
            return;
        }
        if (!node.IsScalar()) {
            error(node.Mark(), name + ": its value must be one word or number");
            return;
        }
        target.set(*target.find(name), node.Scalar(), {value_origin::source::file, place(node.Mark())});
    }
};

void configuration::read_yaml(const std::string& text, const std::string& file_name) {
    try {
        const YAML::Node root = YAML::Load(text);
        yaml_reader reader{*this, file_name, 0, false, {}};
        reader.walk(root, "", 0);
    } catch (const YAML::Exception& failure) {
        errors_.push_back(file_name + ":" + std::to_string(failure.mark.line + 1) + ": not valid YAML: " + failure.msg);
    }
}

void configuration::read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        errors_.push_back(path + ": cannot be read: " + std::strerror(errno));
        return;
    }
    std::string text(file_bytes_max + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) {
        errors_.push_back(path + ": cannot be read: " + std::strerror(errno));
        return;
    }
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > file_bytes_max) {
        errors_.push_back(path + ": the file is larger than a configuration may be, " + std::to_string(file_bytes_max) +
                          " bytes");
        return;
    }
    read_yaml(text, path);
}

}  // namespace runtime
