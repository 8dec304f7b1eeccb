"""A Redis Cluster of three primaries with a replica each, as child processes on loopback ports."""

from __future__ import annotations

import socket
from contextlib import suppress

from infra.deploy.local_redis import LocalRedis
from infra.deploy.process import free_port
from tests.harness.sentinel import ask, wait_for
from tests.harness.server_group import ServerGroup

NODE_TIMEOUT_MS = 1_000
"""Milliseconds without an answer after which a node counts as down. Far more in production."""
VOTES_S = 3.0
"""Seconds after which the votes for a replica no longer count, and more."""
SLOTS = 16_384


class ClusterRedis(LocalRedis):
    """A node. Its file names the others, so it finds them again after a restart."""

    def __init__(self) -> None:
        super().__init__()
        self.bus_port = free_port()

    @property
    def id(self) -> str:
        return ask(self.port, "CLUSTER MYID").split()[-1]

    def _command(self) -> list[str]:
        settings = {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": NODE_TIMEOUT_MS,
            "cluster-port": self.bus_port,
            "cluster-require-full-coverage": "no",
            # Replicas follow at once and take over however old their copy is; few forks.
            "repl-diskless-sync-delay": 0,
            "cluster-replica-validity-factor": 0,
            "auto-aof-rewrite-percentage": 0,
        }
        return [*super()._command(), *(part for name, value in settings.items() for part in (f"--{name}", str(value)))]

    def meet(self, other: ClusterRedis) -> None:
        order(self.port, f"CLUSTER MEET 127.0.0.1 {other.port} {other.bus_port}")

    def is_primary(self) -> bool:
        return "role:master" in ask(self.port, "INFO replication")

    def is_synchronized(self) -> bool:
        return "master_link_status:up" in ask(self.port, "INFO replication")

    def read_nodes(self) -> list[list[str]]:
        """Return the lines of ``CLUSTER NODES`` as words."""
        lines = ask(self.port, "CLUSTER NODES").split("\n")
        return [line.split() for line in lines if len(line.split()) >= 8]

    def find_owner(self, slot: int) -> str:
        """Return the id of the node that serves the slot according to this one; "" if there is none."""
        for id_, _, _, _, _, _, _, _, *slots in self.read_nodes():
            for span in slots:
                first, _, last = span.partition("-")
                if first.isdigit() and int(first) <= slot <= int(last or first):
                    return id_
        return ""


class RedisCluster(ServerGroup):
    """Primaries with one replica each."""

    def __init__(self, primaries: int = 3) -> None:
        self.count = primaries
        self.nodes = [ClusterRedis() for _ in range(2 * primaries)]
        super().__init__(self.nodes)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:3])

    def start(self) -> None:
        """Start all nodes; return when all slots are served and each replica follows its primary."""
        for node in self.nodes:
            node.start()
        primaries, replicas = self.nodes[: self.count], self.nodes[self.count :]
        for number, node in enumerate(primaries):
            order(node.port, f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
            first, last = SLOTS * number // self.count, SLOTS * (number + 1) // self.count - 1
            order(node.port, f"CLUSTER ADDSLOTSRANGE {first} {last}")
        for node in self.nodes[1:]:
            self.nodes[0].meet(node)
        wait_for(lambda: all(len(node.read_nodes()) == len(self.nodes) for node in self.nodes), "nodes meet")
        for primary, replica in zip(primaries, replicas, strict=True):
            wait_for(lambda p=primary, r=replica: ask(r.port, f"CLUSTER REPLICATE {p.id}")[:3] == "+OK", "a replica")  # type: ignore[misc]
        self.wait_until_synchronized()

    def restore(self) -> None:
        """Start what is down, and return when the cluster is complete and empty. Nodes keep their roles and slots."""
        for node in self.nodes:
            node.resume()
            node.start()
        self.wait_until_synchronized()
        for node in self.list_primaries():
            order(node.port, "CONFIG SET maxmemory-policy noeviction")
            order(node.port, "FLUSHALL")

    def stop_watching(self) -> None:
        """Let the nodes look after each other so rarely that an idle cluster takes no processor. None may fail then."""
        for node in self.nodes:
            order(node.port, "CONFIG SET cluster-node-timeout 600000")
            order(node.port, "CONFIG SET hz 1")

    def list_primaries(self) -> list[ClusterRedis]:
        return [node for node in self.nodes if node.pid is not None and node.is_primary()]

    def find_primary(self, slot: int) -> ClusterRedis:
        """Return the node that most nodes say serves the slot."""
        named = [node.find_owner(slot) for node in self.nodes if node.pid is not None]
        owner = max(set(filter(None, named)), key=named.count)
        return next(node for node in self.nodes if node.pid is not None and node.id == owner)

    def find_replica(self, primary: ClusterRedis) -> ClusterRedis:
        id_ = primary.id
        ports = [row[1].partition("@")[0].rpartition(":")[2] for row in primary.read_nodes() if row[3] == id_]
        return next(node for node in self.nodes if str(node.port) in ports)

    def wait_for_failover(self, replica: ClusterRedis, slot: int, timeout_s: float = 30.0) -> None:
        """Return when all nodes that answer take the replica for the slot's primary."""

        def is_named() -> bool:
            id_ = replica.id
            named = [owner for node in self.nodes if node.pid is not None and (owner := node.find_owner(slot))]
            return replica.is_primary() and bool(named) and all(owner == id_ for owner in named)

        wait_for(is_named, "a failover", timeout_s)

    def start_failover(self, replica: ClusterRedis, slot: int) -> None:
        """Have the replica of a slot take over, as an operator does. While a failover of these nodes is recent, Redis
        counts the votes of that one, and nobody follows; then it is ordered again."""

        def takes_over() -> bool:
            ask(replica.port, "CLUSTER FAILOVER")
            with suppress(TimeoutError):
                self.wait_for_failover(replica, slot, VOTES_S)
                return True
            return False

        wait_for(takes_over, "a failover")

    def wait_until_synchronized(self) -> None:
        """Return when every primary has its replica, and all nodes agree that the cluster works."""

        def is_well() -> bool:
            primaries = self.list_primaries()
            replicas = [node for node in self.nodes if node not in primaries]
            return (
                len(primaries) == self.count
                and all(node.is_synchronized() for node in replicas)
                and all(self._knows_all(node) for node in self.nodes)
            )

        wait_for(is_well, "a complete cluster", 40)

    def _knows_all(self, node: ClusterRedis) -> bool:
        rows = node.read_nodes()
        flags = [set(row[2].split(",")) for row in rows]
        down = {"fail", "fail?", "handshake", "noaddr"}
        is_served = "cluster_slots_ok:16384" in ask(node.port, "CLUSTER INFO")
        return (
            len(rows) == len(self.nodes)
            and not any(down & each for each in flags)
            and sum("master" in each for each in flags) == self.count
            and "cluster_state:ok" in ask(node.port, "CLUSTER INFO")
            and is_served
        )

    def move_slot(self, slot: int, target: ClusterRedis) -> None:
        """Move a slot with its keys, as ``redis-cli --cluster reshard`` does."""
        source = self.find_primary(slot)
        self.begin_move(slot, source, target)
        self.move_keys(slot, source, target)
        self.end_move(slot, source, target)

    def begin_move(self, slot: int, source: ClusterRedis, target: ClusterRedis) -> None:
        order(target.port, f"CLUSTER SETSLOT {slot} IMPORTING {source.id}")
        order(source.port, f"CLUSTER SETSLOT {slot} MIGRATING {target.id}")

    def move_keys(self, slot: int, source: ClusterRedis, target: ClusterRedis, most: int = 100_000) -> None:
        for key in list_keys(source.port, slot, most):
            command = [b"MIGRATE", b"127.0.0.1", b"%d" % target.port, key, b"0", b"5000"]
            assert exchange(source.port, command).startswith(b"+OK")

    def end_move(self, slot: int, source: ClusterRedis, target: ClusterRedis) -> None:
        id_ = target.id
        for node in (target, source, *self.list_primaries()):
            order(node.port, f"CLUSTER SETSLOT {slot} NODE {id_}")


def order(port: int, command: str) -> None:
    """Give a command that changes the node's file, which takes long on a busy disk."""
    reply = ask(port, command, timeout_s=20)
    assert reply.startswith("+OK"), (command, reply)


def list_keys(port: int, slot: int, most: int) -> list[bytes]:
    reply = exchange(port, [b"CLUSTER", b"GETKEYSINSLOT", b"%d" % slot, b"%d" % most])
    return [line for line in reply.split(b"\r\n")[1:] if line and not line.startswith(b"$")]


def exchange(port: int, *commands: list[bytes]) -> bytes:
    """Return the raw replies to commands whose words are any bytes, sent one after the other."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for command in (*commands, [b"PING"]):
            words = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command)
            connection.sendall(b"*%d\r\n%b" % (len(command), words))
        reply = b""
        while not reply.endswith(b"+PONG\r\n"):
            reply += connection.recv(65_536)
    return reply.removesuffix(b"+PONG\r\n")
