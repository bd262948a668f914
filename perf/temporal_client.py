#!/usr/bin/env python3
"""A worker and the clients of Temporal's server, for perf/peers: an empty workflow, started and finished.

usage: temporal_client.py ADDRESS, in an environment that has temporalio. For each line "SECONDS CLIENTS" on its input it
keeps so many workflows in flight for so long, and prints how many finished and their median latency, as JSON.
"""
import asyncio
import json
import statistics
import sys
import time
import uuid

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class Empty:
    @workflow.run
    async def run(self) -> None:
        pass


async def connect(address):
    end = time.monotonic() + 60
    while True:
        try:
            return await Client.connect(address)
        except RuntimeError:  # not there yet
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.2)


async def load(client, seconds, clients):
    times = []
    end = time.perf_counter() + seconds

    async def one():
        while (begun := time.perf_counter()) < end:
            await client.execute_workflow(Empty.run, id=uuid.uuid4().hex, task_queue="empty")
            times.append((time.perf_counter() - begun) * 1e3)

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    took = time.perf_counter() - begun
    return {"count": len(times), "rate": len(times) / took, "p50_ms": statistics.median(times)}


async def main():
    client = await connect(sys.argv[1])
    worker = Worker(client, task_queue="empty", workflows=[Empty], workflow_runner=UnsandboxedWorkflowRunner(),
                    max_concurrent_workflow_tasks=200)
    async with worker:
        while line := await asyncio.to_thread(sys.stdin.readline):
            seconds, clients = line.split()
            print(json.dumps(await load(client, float(seconds), int(clients))), flush=True)


asyncio.run(main())
