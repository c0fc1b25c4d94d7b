"""check, verify, digest and inspect on a list of checkpoints: a JSON line for each, and the worst exit code."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

COMMAND = [sys.executable, "-m", "ckptread"]


@pytest.fixture
def listing(tmp_path):
    """A list of a sound checkpoint, one with a NaN, one that is truncated, one that is missing, and a sound one."""
    np.savez(tmp_path / "a.npz", w=np.arange(3.0))
    np.savez(tmp_path / "nan.npz", w=np.array([1.0, np.nan]))
    np.savez(tmp_path / "cut.npz", w=np.arange(1000.0))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:500])
    np.save(tmp_path / "z.npy", np.arange(4.0))
    names = ["a.npz", "nan.npz", "cut.npz", "gone.npz", "z.npy"]
    text = "# of today\n\n" + "".join(f"{tmp_path / name}\r\n" for name in names)
    (tmp_path / "list.txt").write_text(text)
    return tmp_path / "list.txt"


def lines(ran):
    return [json.loads(line) for line in ran.out.splitlines()]


def names(entries):
    return [os.path.basename(entry["path"]) for entry in entries]


def test_every_checkpoint_of_a_list_has_a_line_in_its_order(run, listing):
    ran = run("check", "--from", listing, "--finite")
    found = lines(ran)
    assert names(found) == ["a.npz", "nan.npz", "cut.npz", "gone.npz", "z.npy"]
    assert [entry["exit"] for entry in found] == [0, 1, 2, 2, 0]
    assert [entry["verdict"] for entry in found] == ["pass", "fail", "fail", "fail", "pass"]
    assert ran.code == 2
    assert ran.err == "5 checkpoints: 2 ok, 1 failed, 2 unreadable\n"


def test_one_that_cannot_be_opened_has_the_sentence_and_the_code_of_its_error(run, listing):
    for verb in ("check", "verify", "digest", "inspect"):
        found = lines(run(verb, "--from", listing, *(["--finite"] if verb == "check" else [])))
        assert [entry.get("error", {}).get("code") for entry in found] == [
            None,
            None,
            "zip-truncated",
            "unreadable",
            None,
        ]
        assert found[3]["error"]["message"].startswith(f"{found[3]['path']}: there is no such file or checkpoint.")


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("check", ["--no-inf"]), ("verify", []), ("digest", []), ("digest", ["**", "--names", "key"]), ("inspect", []),
        ("inspect", ["--depth", "1"]), ("inspect", ["--stats", "--role", "all"]),
    ],
)  # fmt: skip
def test_a_line_has_the_document_of_the_command_for_that_checkpoint(run, listing, verb, options):
    for found in (entry for entry in lines(run(verb, "--from", listing, *options)) if "error" not in entry):
        alone = run(verb, found["path"], *options, "--json")
        assert {**json.loads(alone.out), "path": found["path"], "exit": alone.code} == found


def test_a_list_on_stdin_and_a_folder_in_it(run, listing, monkeypatch):
    folder = listing.parent / "run"
    folder.mkdir()
    for step in (9, 10):
        np.savez(folder / f"step-{step}.npz", w=np.arange(3.0))
    given = io.TextIOWrapper(io.BytesIO(f"{folder}\n{listing.parent}/a.npz\n{folder}\n".encode()))
    monkeypatch.setattr(sys, "stdin", given)
    assert names(lines(run("verify", "--from", "-"))) == ["step-9.npz", "step-10.npz", "a.npz"]


def test_names_that_are_not_text_are_listed_and_resumed(run, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.npz"
    with open(name, "wb") as file:
        np.savez(file, w=np.arange(3.0))
    (tmp_path / "list").write_bytes(name + b"\n")
    ran = run("verify", "--from", tmp_path / "list")
    assert (ran.code, json.loads(ran.out)["path"]) == (0, os.fsdecode(name))
    (tmp_path / "out").write_text(ran.out)
    assert run("verify", "--from", tmp_path / "list", "--resume", tmp_path / "out").out == ""


def test_two_processes_print_the_same_lines(run, listing):
    one, two = (run("check", "--from", listing, "--finite", "--workers", count) for count in (1, 2))
    assert two == one


def test_a_run_goes_on_after_the_last_complete_line(run, listing, tmp_path):
    complete = run("check", "--from", listing, "--finite").out
    for end in (0, 10, len(complete.splitlines()[0]), len(complete) - 30, len(complete)):
        (tmp_path / "out").write_text(complete[:end])
        command = [*COMMAND, "check", "--finite", "--from", listing, "--resume", tmp_path / "out"]
        with open(tmp_path / "out", "ab") as out:
            ran = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
        assert (tmp_path / "out").read_text() == complete
        assert ran.returncode == 2
        assert ran.stderr.startswith("5 checkpoints: 2 ok, 1 failed, 2 unreadable")


def test_the_output_of_an_earlier_run_is_not_changed_if_another_file_is_written(run, listing, tmp_path):
    first, *others = run("verify", "--from", listing).out.splitlines(keepends=True)
    (tmp_path / "out").write_text(first + "not JSON\n[1]\n" + others[0][:-5])
    ran = run("verify", "--from", listing, "--resume", tmp_path / "out")
    assert ran.out == "".join(others)
    assert (tmp_path / "out").read_text() == first + "not JSON\n[1]\n" + others[0][:-5]
    assert run("verify", "--from", listing, "--resume", tmp_path / "nosuch").out == first + "".join(others)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--from", "LIST", "A"], "--from and CKPT do not go together"),
        (["--from", "LIST", "-q"], "--from and --quiet do not go together"),
        (["--from", "LIST", "--format", "csv"], "--from and --format csv do not go together"),
        (["A", "--resume", "OUT"], "give it with --from LIST"),
        (["A", "--workers", "2"], "give it with --from LIST"),
        ([], "no checkpoint is given"),
        (["--from", os.devnull], "the list has no checkpoints"),
        (["--from", "nosuch"], "nosuch: it cannot be read"),
    ],
)
def test_options_of_lists_are_refused_where_they_mean_nothing(run, listing, options, problem):
    ran = run("verify", *(str(listing) if word == "LIST" else word for word in options))
    assert ran.code == 2
    assert ran.out == ""
    assert problem in ran.err


def test_a_checkpoint_in_place_of_a_list_is_refused(run, listing):
    (listing.parent / "long").write_bytes(b"x" * 100_000)
    for name in ("a.npz", "z.npy", "long"):
        ran = run("verify", "--from", listing.parent / name)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.endswith("this is not a list of checkpoints. Give a text file with a path per line.\n")


def test_arguments_of_digest_and_inspect_are_patterns(run, listing):
    for verb in ("digest", "inspect"):
        first, *_ = lines(run(verb, "--from", listing, "w"))
        assert [tensor["key"] for tensor in first["tensors"]] == ["w"]
        first, *_ = lines(run(verb, "--from", listing, "nosuch", "other"))
        assert first["error"]["code"] == "tensor-not-found"


def test_a_rule_that_is_wrong_for_any_checkpoint_is_a_usage_error(run, listing):
    for workers in (1, 2):
        ran = run("check", "--from", listing, "--workers", workers)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == "ckptread: no rule is given: see 'ckptread check --help'\n"


def test_a_bad_base_is_an_error_of_each_line(run, listing):
    found = lines(run("check", "--from", listing, "--frozen", "w", "--base", "nosuch.npz"))
    assert {entry["error"]["message"] for entry in found[:2]} == {
        "nosuch.npz: there is no such file or checkpoint. Check the path."
    }


def test_ctrl_c_ends_the_command_and_its_processes_without_a_word(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3.0))
    command = [*COMMAND, "verify", "--workers", "2", "--from", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(f"{tmp_path}/a.npy\n{tmp_path}/b.npy\n{tmp_path}/c.npy\n{tmp_path}/d.npy\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["exit"] == 0  # four may be under way: then the first is printed
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - started < 5
        assert process.stderr.read() == b""
