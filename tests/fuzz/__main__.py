"""The long run: ``python -m tests.fuzz [TARGET...] --runs N``, each target in a process of its own.

With atheris (``pip install --group fuzz``) the mutations are guided by the coverage of ckptread; without it they are
random. What is new in coverage is kept below ``--corpus``, findings below tests/fuzz/findings.
"""

import argparse
import hashlib
import random
import re
import resource
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

FINDINGS = Path(__file__).resolve().parent / "findings"
MEMORY = 512 << 20
"""Of address space, beyond what a target's process has when it begins: a MemoryError is a finding."""
SECONDS = 1.0
"""One execution that takes more processor time is a finding."""
HANGING = 60
"""Seconds by the clock: an execution that does not end at all, even on a busy machine."""


def main():
    """Run each target, and say how many executions there were."""
    options = _parser().parse_args()
    if options.child:
        _child(options.targets[0], options.runs, Path(options.corpus), options.seed, options.engine)
        return
    from tests.fuzz.targets import TARGETS

    total, failed = 0, []
    for name in options.targets or TARGETS:
        started = time.monotonic()
        count, code = _run(name, options)
        total += count
        failed += [name] if code else []
        rate = count / max(1e-9, time.monotonic() - started)
        print(f"{name:18} {count:>12,} executions  {rate:>8,.0f}/s  {'FINDING' if code else 'no finding'}", flush=True)
    print(f"{'total':18} {total:>12,} executions; findings: {', '.join(failed) or 'none'}")
    sys.exit(1 if failed else 0)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--runs", type=int, default=100_000, help="executions per target")
    parser.add_argument("--corpus", default=".fuzz", help="folder of what was found interesting")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0 is another one each time")
    parser.add_argument(
        "--engine", choices=("atheris", "random"), default="atheris" if find_spec("atheris") else "random"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser


def _run(name, options):
    command = [sys.executable, "-m", "tests.fuzz", name, "--child", "--runs", str(options.runs)]
    command += ["--corpus", options.corpus, "--seed", str(options.seed), "--engine", options.engine]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    counts = re.findall(r"^(?:Done (\d+) runs|#(\d+)\s)", done.stdout, re.MULTILINE)
    if done.returncode:
        print(done.stdout[-6000:], flush=True)
    return int(max(counts[-1])) if counts else 0, done.returncode


def _child(name, runs, corpus, seed, engine):
    (FINDINGS / name).mkdir(parents=True, exist_ok=True)
    if engine == "atheris":
        _by_atheris(name, runs, corpus / name, seed)
    else:
        _at_random(name, runs, seed)


def _by_atheris(name, runs, corpus, seed):
    import atheris

    with atheris.instrument_imports(include=["ckptread"], enable_loader_override=False):
        from tests.fuzz.seeds import seeds
        from tests.fuzz.targets import execute  # noqa: F401 - imported here, it is watched for coverage
    corpus.mkdir(parents=True, exist_ok=True)
    for data in seeds(name):
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)
    arguments = [sys.argv[0], str(corpus), f"-runs={runs}", f"-timeout={HANGING}", f"-seed={seed}", "-max_len=65536"]
    arguments += [f"-artifact_prefix={FINDINGS / name}/", "-rss_limit_mb=2048", "-print_final_stats=1"]
    atheris.Setup(arguments, lambda data: _execute(name, data))
    limit_memory()
    atheris.Fuzz()


def _at_random(name, runs, seed):
    from tests.fuzz.mutate import mutate
    from tests.fuzz.seeds import seeds

    rng, pool = random.Random(seed or None), seeds(name)
    limit_memory()
    for _ in range(runs):
        data = mutate(rng.choice(pool), rng, rng.choice(pool))
        try:
            _execute(name, data)
        except BaseException:
            (FINDINGS / name / hashlib.sha1(data).hexdigest()).write_bytes(data)
            raise
    print(f"Done {runs} runs")


def _execute(name, data):
    from tests.fuzz.targets import execute

    started = time.process_time()
    execute(name, data)
    assert time.process_time() - started < SECONDS, "too much processor time"


def limit_memory():
    """Give this process MEMORY more than it has."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))


if __name__ == "__main__":
    main()
