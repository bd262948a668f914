#include "pipeline/records.hpp"

#include <gtest/gtest.h>

#include "tests/unit/pipeline/samples.hpp"

namespace pipeline {
namespace {

void expect_same(const verdict_view& a, const verdict_view& b) {
    EXPECT_EQ(a.status, b.status);
    EXPECT_EQ(a.exit_code, b.exit_code);
    EXPECT_EQ(a.signal, b.signal);
    EXPECT_EQ(a.error_type, b.error_type);
    EXPECT_EQ(a.error_message, b.error_message);
    EXPECT_EQ(a.stdout_truncated, b.stdout_truncated);
    EXPECT_EQ(a.stderr_truncated, b.stderr_truncated);
    ASSERT_EQ(a.resource_usage.has_value(), b.resource_usage.has_value());
    if (!a.resource_usage) return;
    EXPECT_EQ(a.resource_usage->wall_us, b.resource_usage->wall_us);
    EXPECT_EQ(a.resource_usage->cpu_us, b.resource_usage->cpu_us);
    EXPECT_EQ(a.resource_usage->peak_memory_bytes, b.resource_usage->peak_memory_bytes);
    EXPECT_EQ(a.resource_usage->peak_processes, b.resource_usage->peak_processes);
    EXPECT_EQ(a.resource_usage->output_bytes, b.resource_usage->output_bytes);
}

TEST(records, accepted_comes_back_whole) {
    auto in = samples::accepted();
    in.key = key_entry();
    in.key->key[3] = 9;
    in.key->body_sha256[31] = 1;
    in.key->expires = {77};
    in.with_more().interactive.emplace().terminal = {30, 100};
    in.with_more().network = network_request{network_mode::allow, {"a.org:443", "*.b.org:*"}};
    in.cold_start = true;
    const auto out = decode_accepted(encode(in));
    ASSERT_TRUE(out);
    EXPECT_EQ(out->more().interactive, in.more().interactive);
    EXPECT_EQ(out->more().network, in.more().network);
    EXPECT_EQ(decode_accepted(encode(samples::accepted()))->more().network.mode, network_mode::none);
    EXPECT_EQ(out->lang_version, "3.11");
    EXPECT_EQ(out->script.inline_bytes, "print(1)");
    EXPECT_FALSE(out->script.is_blob());
    EXPECT_EQ(out->more().args, in.more().args);
    EXPECT_EQ(out->more().standard_input.blob.first, 7U);
    EXPECT_EQ(out->more().standard_input.blob.pieces, 2U);
    EXPECT_EQ(out->more().standard_input.blob.bytes, 300'000U);
    EXPECT_EQ(out->priority, priority::high);
    EXPECT_EQ(out->limits.wall_ms, 1234U);
    EXPECT_TRUE(out->limits.kill_on_output_limit);
    EXPECT_EQ(out->retry.attempts_max, 3U);
    EXPECT_EQ(out->retry.on, in.retry.on);
    EXPECT_EQ(out->more().labels, in.more().labels);
    EXPECT_TRUE(out->cold_start);
    ASSERT_TRUE(out->key);
    EXPECT_EQ(out->key->key, in.key->key);
    EXPECT_EQ(out->key->body_sha256, in.key->body_sha256);
    EXPECT_EQ(out->key->expires, in.key->expires);
}

TEST(records, verdicts_and_output_come_back_whole) {
    concluded_record end{samples::failed(), {}};
    end.verdict.isolation = {isolation_limits::cgroup1, isolation_start::parked};
    end.verdict.network = network_use{network_mode::open, 1, 2, 3, 4, true, {{"a:1", network_refusal::own_address}}};
    end.verdict.artifacts = {{"a/b", 5, artifact_fault::none}, {"c", 0, artifact_fault::not_regular}};
    end.artifacts = {{{"in", {}}, {{}, {7, 3, 700'000}}}, {}};
    const auto concluded = decode_concluded(encode(end));
    ASSERT_TRUE(concluded);
    expect_same(concluded->verdict, samples::failed());
    EXPECT_EQ(concluded->verdict.isolation, end.verdict.isolation);
    EXPECT_EQ(concluded->verdict.artifacts, end.verdict.artifacts);
    ASSERT_TRUE(concluded->verdict.network);
    EXPECT_EQ(*concluded->verdict.network, *end.verdict.network);
    ASSERT_EQ(concluded->artifacts.size(), 2U);
    ASSERT_EQ(concluded->artifacts[0].size(), 2U);
    EXPECT_EQ(concluded->artifacts[0][0].inline_bytes, "in");
    EXPECT_EQ(concluded->artifacts[0][1].blob.first, 7U);
    EXPECT_EQ(concluded->artifacts[0][1].blob.bytes, 700'000U);
    EXPECT_TRUE(concluded->artifacts[1].empty());
    const auto ended = decode_attempt_ended(encode(attempt_ended_record{samples::failed(), {5}}));
    ASSERT_TRUE(ended);
    expect_same(ended->verdict, samples::failed());
    EXPECT_EQ(ended->next_not_before.microseconds_since_epoch, 5);
    const auto output =
        decode_output(encode(output_record{stream::standard_error, 17, false, std::string("\0\xff", 2)}));
    ASSERT_TRUE(output);
    EXPECT_EQ(output->stream, stream::standard_error);
    EXPECT_EQ(output->offset, 17U);
    EXPECT_FALSE(output->is_text);
    EXPECT_EQ(output->bytes, std::string("\0\xff", 2));
}

TEST(records, garbage_is_refused_and_never_crashes) {
    runtime::random_source random(5);
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes(random.below(64), '\0');
        for (auto& c : bytes) c = static_cast<char>(random.next());
        decode_accepted(bytes);
        decode_output(bytes);
        decode_attempt_ended(bytes);
        decode_concluded(bytes);
        decode_keys(bytes);
        decode_summary(bytes);
        decode_chunk(bytes);
    }
    EXPECT_FALSE(decode_accepted("\xff\xff"));
    EXPECT_FALSE(decode_concluded("\xff\xff"));
}

TEST(records, a_key_takes_no_more_than_80_bytes) {
    key_entry key;
    key.key.fill(0xff);
    key.body_sha256.fill(0xff);
    key.execution.bytes.fill(0xff);
    key.expires = {INT64_MAX};
    EXPECT_LE(encode(std::vector<key_entry>(100, key)).size(), 100U * 82U);
    EXPECT_LE(sizeof(key_hash) + sizeof(runtime::sha256_digest) + sizeof(execution_id) + sizeof(runtime::utc_time),
              80U);
}

TEST(records, chunks_keep_what_events_are_made_of) {
    storage::record record;
    record.header.type = static_cast<std::uint16_t>(record_type::output);
    record.header.time = {123};
    record.header.attempt = 2;
    record.header.first_event = 9;
    record.header.event_count = 1;
    record.payload = encode(output_record{stream::standard_output, 3, true, "abc"});
    const auto back = decode_chunk(encode_chunk({record, record}));
    ASSERT_TRUE(back);
    ASSERT_EQ(back->size(), 2U);
    const auto before = events_of({record.header, record.payload});
    const auto after = events_of({back->front().header, back->front().payload});
    ASSERT_TRUE(before && after && before->size() == 1 && after->size() == 1);
    EXPECT_EQ((*before)[0]->number, (*after)[0]->number);
    EXPECT_EQ((*before)[0]->time, (*after)[0]->time);
    EXPECT_EQ((*before)[0]->attempt, (*after)[0]->attempt);
    EXPECT_EQ((*before)[0]->bytes, (*after)[0]->bytes);
}

}  // namespace
}  // namespace pipeline
