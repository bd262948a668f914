#include "http/sse/frame_cache.hpp"

#include "http/api/render.hpp"
#include "http/json_writer.hpp"

namespace http::sse {

void append_frame(std::string& out, const runtime::execution_id& id, const pipeline::event& event) {
    out += "id: ";
    append_number(out, event.number);
    out.append("\nevent: ").append(pipeline::to_string(event.type)).append("\ndata: ");
    api::append_event_json(out, id, event);
    out += "\n\n";
}

bool frame_cache::append(std::string& out, const runtime::execution_id& id, const pipeline::event& event) {
    // Neighbours of one stream lie side by side.
    auto& here = entries_[(std::hash<runtime::execution_id>{}(id) + event.number) % cached_frames];
    if (here.number == event.number && here.id == id) {
        out += here.frame;
        return false;
    }
    const auto begin = out.size();
    append_frame(out, id, event);
    const auto bytes = out.size() - begin;
    if (bytes > cached_frame_bytes_max) return true;
    here.id = id;
    here.number = event.number;
    here.frame.assign(out, begin, bytes);
    return true;
}

}  // namespace http::sse
