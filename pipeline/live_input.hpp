// What clients type to a program while it runs. It is no durable state: nothing of it is in the log. What a crash or
// the end of an attempt finds here is dropped, and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/engine.hpp"
#include "runtime/base/metrics.hpp"
#include "runtime/event.hpp"
#include "runtime/shard.hpp"

namespace pipeline {

// Shard: the execution's home only. Shared by the execution, its attached clients and the worker that runs it.
// Limits: attach.input_bytes_max bytes wait for the program, attach.clients_max clients are attached.
class live_input {
  public:
    // What one client is to the input; gives its place back when it goes.
    class client {
      public:
        explicit client(std::shared_ptr<live_input> to) : to_(std::move(to)) { ++to_->clients_; }
        client(client&& other) noexcept = default;
        client& operator=(client&&) = delete;
        ~client() {
            if (to_) --to_->clients_;
        }
        [[nodiscard]] live_input& input() const { return *to_; }

      private:
        std::shared_ptr<live_input> to_;
    };

    live_input(runtime::shard& home, interactive_input how);

    // For clients. Takes as many bytes as there is room for; after the end of the input it drops them.
    std::size_t offer(std::string_view bytes);
    // No more bytes will come. Those that wait are still delivered.
    void end();
    // Of the terminal; the last one counts. Nothing without a terminal.
    void resize(terminal_size size);
    // One of those that may be sent, see is_sendable(). False while no program runs; the same one again before it was
    // delivered counts once.
    bool signal(int number);
    [[nodiscard]] bool takes_bytes() const { return !ended_ && !closed_; }
    [[nodiscard]] bool is_full() const { return bytes_.size() >= attach_input_bytes_max; }
    [[nodiscard]] std::size_t clients() const { return clients_; }
    [[nodiscard]] const interactive_input& how() const { return how_; }
    // There is room again, or no use in waiting for it.
    runtime::event& room() { return room_; }

    // For the one program at a time that reads it.
    void program_began() { running_ = true; }
    // What waits was for that program and for no other one.
    void program_ended();
    // The bytes that wait; drop() takes off what was delivered.
    [[nodiscard]] std::string_view waiting() const { return bytes_; }
    void drop(std::size_t count);
    // Everything before the end has been delivered.
    [[nodiscard]] bool at_end() const { return ended_ && bytes_.empty(); }
    std::optional<terminal_size> take_resize();
    // Bit n is signal n.
    std::uint64_t take_signals();
    // The program does not read any more; what clients still send is dropped.
    void program_reads_no_more();
    // There is something to deliver.
    runtime::event& news() { return news_; }

    // The execution has ended.
    void close();

    // Signals that a client may send: those that a terminal or a shell would, and SIGKILL.
    static bool is_sendable(int number);

  private:
    void forget();

    interactive_input how_;
    std::string bytes_;
    bool ended_ = false;
    bool closed_ = false;
    bool running_ = false;
    bool unread_ = false;
    bool resized_ = false;
    std::uint64_t signals_ = 0;
    std::size_t clients_ = 0;
    runtime::event room_;
    runtime::event news_;
    runtime::metrics_registry& metrics_;
    runtime::counter& taken_;
    runtime::counter& dropped_;
};

// A client that watches an execution and types to it. Shard: the execution's home.
class attachment {
  public:
    attachment(std::unique_ptr<subscription> events, live_input::client typist)
        : events_(std::move(events)), typist_(std::move(typist)) {}
    [[nodiscard]] std::unique_ptr<subscription> take_events() { return std::move(events_); }
    [[nodiscard]] live_input& input() const { return typist_.input(); }

  private:
    std::unique_ptr<subscription> events_;
    live_input::client typist_;
};

}  // namespace pipeline
