"""Ways in which a server goes away and comes back.

SPDX-License-Identifier: Apache-2.0
"""
from gateway import wait_until


def graceful(server):
    old = set(server.children())
    server.reload()
    wait_until(lambda: server.children() and not old & set(server.children()))


def restart(server):
    server.restart()


def stop_and_start(server):
    server.stop()
    server.start()


def kill_parent(server):
    server.kill(server.pid)
    server.start()


def kill_everything(server):
    children = server.children()
    server.kill(server.pid, *children)
    server.start()


def kill_children(server):
    children = server.children()
    server.kill(*children)
    wait_until(lambda: server.children()
               and not set(children) & set(server.children()))


OUTAGES = [graceful, restart, stop_and_start, kill_parent, kill_everything,
           kill_children]
