"""The front door refuses what a server on the open internet must refuse, and goes on serving others."""

from harness import expect
from harness.client import raw_exchange
from harness.runner import case

GOOD = b"GET /livez HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"


def status_of(server, request):
    answer = raw_exchange(server.client.host, server.client.port, request)
    assert answer.startswith(b"HTTP/1."), (request[:200], answer[:200])
    return int(answer.split(b" ", 2)[1]), answer


@case()
def ambiguous_requests_are_400(context):
    server = context.shared("noop")
    post = b"POST /api/v1/execute HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
    for request in (
            post + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
            post + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            post + b"Transfer-Encoding: identity\r\n\r\n",
            post + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            post + b"Content-Length: 2, 2\r\n\r\n{}",
            post + b"Content-Length: +2\r\n\r\n{}",
            post.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            post + b"X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
            b"GET /livez HTTP/1.1\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET /livez\xff HTTP/1.1\r\nHost: weir\r\n\r\n",
            b"GET http://other/livez HTTP/1.1\r\nHost: weir\r\n\r\n",
            b"NONSENSE\r\n\r\n"):
        status, answer = status_of(server, request)
        assert status == 400, (request, status)
        assert b"application/problem+json" in answer, (request, answer)
    status, _ = status_of(server, GOOD)
    expect.equal(status, 200)


@case()
def too_much_is_refused_by_name(context):
    server = context.shared("noop")
    status, answer = status_of(server, b"GET /livez HTTP/1.1\r\nHost: weir\r\nX: " + b"a" * 200_000 + b"\r\n\r\n")
    assert status == 431 and b"application/problem+json" in answer, (status, answer[:500])
    status, answer = status_of(server, b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: weir\r\n\r\n")
    assert status in (414, 431) and b"application/problem+json" in answer, (status, answer[:500])


@case()
def chunked_bodies_and_pipelines_work(context):
    server = context.shared("noop")
    body = b'{"script":"print(1)"}'
    chunks = b"".join(b"1;ext=1\r\n" + body[at:at + 1] + b"\r\n" for at in range(len(body))) + b"0\r\nX-Trailer: 1\r\n\r\n"
    request = (b"POST /api/v1/execute HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    answer = raw_exchange(server.client.host, server.client.port, request + GOOD)
    expect.equal(answer.count(b"HTTP/1.1 202"), 1, "accepted")
    expect.equal(answer.count(b"HTTP/1.1 200"), 1, "the pipelined one")
    status, answer = status_of(server, request.replace(b"Transfer-Encoding: chunked\r\n",
                                                       b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"))
    assert status in (100, 202), answer


@case()
def head_and_http_1_0_work(context):
    server = context.shared("noop")
    status, answer = status_of(server, b"GET /livez HTTP/1.0\r\nHost: weir\r\n\r\n")
    expect.equal(status, 200)
    status, answer = status_of(server, GOOD.replace(b"GET", b"HEAD"))
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert status in (200, 405) and not (status == 200 and rest), answer
