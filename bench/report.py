"""From numbers to Markdown: tables, and each target with what was reached."""

from typing import Any, Final

Numbers = dict[str, Any]
ACTS: Final = ("cold", "liveness", "command", "facts", "all_facts")
LIST_MS: Final = 50.0
BEGIN: Final = "<!-- results -->"
END: Final = "<!-- end of results -->"
MUX: Final = "OpenSSH, ControlMaster"
# Why a target can be missed, for the row of that name.
_REASONS: Final = {
    "warm liveness against OpenSSH": "the answers of many nodes share one core with all that sends them",
    "warm facts against the best peer": "a fork, a packet and our reading of it are left to save",
    "cold against the best peer not in C": "a login costs the servers four fifths of it, whoever asks",
    "cold against the servers' ceiling": "paramiko is Python: a login takes 2 to 3 ms of our CPU",
    "memory of a pooled node": "a thread, its stack, and paramiko's objects for one connection",
}
_NOT_C: Final = ("asyncssh", "pyinfra", "Fabric as it comes", "Ansible raw", MUX)


def markdown(results: Numbers) -> str:
    parts = [_machine(results["machine"])]
    if rows := targets(results):
        parts += [_targets(rows), _short(rows)]
    if "peers" in results:
        parts += [_peers(results["peers"]), _growth(results["growth"])]
    if "clone" in results:
        parts.append(_clones(results["clone"]))
    if "large" in results:
        parts.append(_large(results["large"]))
    return "\n\n".join(parts) + "\n"


def _machine(machine: Numbers) -> str:
    return (
        f"Measured on {machine['date']}: {machine['cpus']} cores, {machine['openssh']}, Python {machine['python']}; "
        f"load average before {machine['load_before']:.1f}, after {machine['load_after']:.1f}."
    )


def _targets(rows: list[tuple[str, str, str, bool]]) -> str:
    lines = [f"| {name} | {wanted} | {reached} | {'yes' if met else '**no**'} |" for name, wanted, reached, met in rows]
    return _table("| target | wanted | reached | met |", lines)


def _short(rows: list[tuple[str, str, str, bool]]) -> str:
    missed = [row for row in rows if not row[3]]
    if not missed:
        return "Nothing fell short in this run."
    lines = [f"- **{name}**: {reached}, wanted {wanted}{_reason(name)}." for name, wanted, reached, _ in missed]
    return "What fell short in this run:\n\n" + "\n".join(lines)


def _reason(name: str) -> str:
    return f"; {_REASONS[name]}" if name in _REASONS else ""


def targets(results: Numbers) -> list[tuple[str, str, str, bool]]:
    """Those that the peers' numbers decide, the clone's, and those of the large installation."""
    found = {row["name"]: row for row in results.get("peers", []) if "absent" not in row}
    rows = _of_peers(found) if {"Bareboat", MUX} <= found.keys() else []
    if results.get("growth"):
        largest = results["growth"][-1]
        seconds = largest["nodes"] / largest["liveness"]["per_second"]
        per_thousand = seconds * 1000 / largest["nodes"]
        rows.append(("liveness of 1,000 nodes", "< 1 s", f"{per_thousand:.2f} s", per_thousand < 1))
        kib = largest["kib_per_node"]
        rows.append(("memory of a pooled node", "≤ 120 KiB", f"{kib:.0f} KiB", kib <= 120))
    for clone in results.get("clone", {}).get("clones", []):
        rows.append(_of_clone(clone))
    if pushes := results.get("clone", {}).get("pushes"):
        rows.append(_of_pushes(pushes))
    if "large" in results:
        rows += _of_large(results["large"]["asked"])
    return rows


def _of_peers(found: dict[str, Numbers]) -> list[tuple[str, str, str, bool]]:
    ours, mux = found["Bareboat"], found[MUX]
    others = [row for name, row in found.items() if name != "Bareboat"]
    alive = ours["liveness"]["per_second"] / mux["command"]["per_second"]
    latency = mux["latency_ms"] / ours["latency_ms"]
    facts = ours["facts"]["per_second"] / max(row["facts"]["per_second"] for row in others)
    rest = [row["cold"]["per_second"] for name, row in found.items() if name in _NOT_C]
    cold = ours["cold"]["per_second"] / max(rest)
    return [
        ("warm liveness against OpenSSH", "≥ 30 ×", f"{alive:.0f} ×", alive >= 30),
        ("latency of a warm command against OpenSSH", "≥ 10 ×", f"{latency:.1f} ×", latency >= 10),
        ("warm facts against the best peer", "≥ 3 ×", f"{facts:.1f} ×", facts >= 3),
        ("cold against the best peer not in C", "> 1 ×", f"{cold:.2f} ×", cold > 1),
        _ceiling(ours["cold"]),
    ]


def _ceiling(cold: Numbers) -> tuple[str, str, str, bool]:
    """What the servers could do if the client cost nothing: all cores busy with the CPU that they took."""
    share = cold["per_second"] * cold["server_cpu_ms"] / 1000 / cold["cores"]
    return ("cold against the servers' ceiling", "≥ 0.85", f"{share:.2f}", share >= 0.85)


def _of_clone(clone: Numbers) -> tuple[str, str, str, bool]:
    name = f"clone, {clone['repository']} ({clone['by_hand_seconds']:.2f} s by hand)"
    more = (clone["bareboat_seconds"] - clone["by_hand_seconds"]) * 1000
    if clone["by_hand_seconds"] >= 5:
        return (name, "≤ 1.05 ×", f"{clone['ratio']:.2f} ×", clone["ratio"] <= 1.05)
    return (name, "+ 150 ms", f"+ {more:.0f} ms", more <= 150)


def _of_pushes(pushes: list[Numbers]) -> tuple[str, str, str, bool]:
    slowest = max(pushes, key=lambda row: row["slowest_seconds"])
    seconds = slowest["slowest_seconds"]
    return ("slowest push, webhook to new commit", "< 1 s", f"{seconds:.2f} s ({slowest['forge']})", seconds < 1)


def _of_large(asked: list[Numbers]) -> list[tuple[str, str, str, bool]]:
    rows = []
    for what in ("lists and searches of projects", "other lists", "pages"):
        slowest = max((row for row in asked if _group(row) == what), key=lambda row: row["p95_ms"])
        reached, limit = f"{slowest['p95_ms']:.0f} ms ({slowest['name']})", slowest["limit_ms"]
        rows.append((f"slowest p95 of {what}", f"< {limit:.0f} ms", reached, slowest["p95_ms"] < limit))
    return rows


def _group(row: Numbers) -> str:
    if row["limit_ms"] != LIST_MS:
        return "pages"
    return "lists and searches of projects" if row["name"].startswith(("projects", "search, ")) else "other lists"


def _peers(rows: list[Numbers]) -> str:
    head = "| peer | nodes | cold/s | liveness/s | `true`/s | facts/s | all facts/s | one `true`, ms "
    head += "| CPU ms a node, client: cold / `true` / facts | servers: cold / `true` / facts | MiB |"
    lines = [_peer(row) for row in rows]
    return "### Peers\n\n" + _table(head, lines)


def _peer(row: Numbers) -> str:
    if "absent" in row:
        return f"| {row['name']} | absent: {row['absent']} |" + " |" * 9
    rates = " | ".join(f"{row[act]['per_second']:,.0f}" for act in ACTS)
    client = " / ".join(f"{row[act]['client_cpu_ms']:.1f}" for act in ("cold", "command", "facts"))
    server = " / ".join(f"{row[act]['server_cpu_ms']:.1f}" for act in ("cold", "command", "facts"))
    return (
        f"| {row['name']} | {row['nodes']} | {rates} | {row['latency_ms']:.2f} | {client} | {server} "
        f"| {row['memory_mib']:.0f} |"
    )


def _growth(rows: list[Numbers]) -> str:
    head = "| nodes | cold/s | liveness/s | `true`/s | facts/s | all facts/s | MiB | KiB a node |"
    lines = [
        f"| {row['nodes']:,} | "
        + " | ".join(f"{row[act]['per_second']:,.0f}" for act in ACTS)
        + f" | {row['memory_mib']:.0f} | {row['kib_per_node']:.0f} |"
        for row in rows
    ]
    return "### Bareboat with more nodes\n\n" + _table(head, lines)


def _clones(clone: Numbers) -> str:
    head = "| repository | MiB | by hand, s | Bareboat, s | ratio |"
    lines = [
        f"| {row['repository']} | {row['mib']:.1f} | {row['by_hand_seconds']:.3f} | {row['bareboat_seconds']:.3f} "
        f"| {row['ratio']:.2f} |"
        for row in clone["clones"]
    ]
    api, pushes = clone["api"], clone["pushes"]
    said = (
        f"{api['clients']} clients that never pause, {clone['watched_nodes']} nodes watched, {api['clones_meanwhile']} "
        f"clones meanwhile: {api['per_second']:.0f} requests/s, p50 {api['p50_ms']:.1f} ms, "
        f"p95 {api['p95_ms']:.1f} ms; the controller holds {clone['controller_mib']:.0f} MiB."
    )
    return "### Clones, pushes and the API under load\n\n" + "\n\n".join([_table(head, lines), _pushes(pushes), said])


def _pushes(pushes: list[Numbers]) -> str:
    head = "| webhook of | pushes | to the new commit, median s | slowest s | target s |"
    lines = [
        f"| {row['forge']} | {row['rounds']} | {row['median_seconds']:.2f} | {row['slowest_seconds']:.2f} | 1 |"
        for row in pushes
    ]
    return _table(head, lines)


def _large(large: Numbers) -> str:
    size = large["size"]
    said = f"{size['nodes']:,} nodes, {size['projects']:,} projects, {size['jobs']:,} jobs."
    lines = [
        f"| {row['name']} | {row['p50_ms']:.1f} | {row['p95_ms']:.1f} | {row['cpu_ms']:.1f} | {row['limit_ms']:.0f} |"
        for row in large["asked"]
    ]
    table = _table("| asked | p50 ms | p95 ms | CPU ms | target ms |", lines)
    runner = ", ".join(f"{name.removesuffix('_ms')} {value:.1f} ms" for name, value in large["claims"].items())
    return f"### Lists and pages\n\n{said}\n\n{table}\n\nWhat runners ask the table of jobs: {runner}."


def published(document: str, text: str) -> str:
    """The document with this text between its two marks."""
    before, _, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the document lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def _table(head: str, lines: list[str]) -> str:
    rule = "|" + "---|" * (head.count("|") - 1)
    return "\n".join([head, rule, *lines])
