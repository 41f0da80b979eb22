"""A relay on AsyncSSH: remote forwards and connections from the relay, no commands.
Usage: asyncssh_relay.py PORT HOST_KEY AUTHORIZED_KEYS [KEEPALIVE_SECONDS]"""
import asyncio
import sys

import asyncssh


class Relay(asyncssh.SSHServer):
    def server_requested(self, listen_host, listen_port):
        return True

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True


async def main(port, host_key, authorized_keys, keepalive=0):
    await asyncssh.listen('127.0.0.1', int(port), server_factory=Relay, server_host_keys=[host_key],
                          authorized_client_keys=authorized_keys, keepalive_interval=int(keepalive),
                          keepalive_count_max=1, reuse_address=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
