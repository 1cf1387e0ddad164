"""Windows and macOS by construction: what only some systems have is asked for before it is used."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [*ROOT.glob("*.py"), *(ROOT / "pages").glob("*.py"), *(ROOT / "lora_viz").rglob("*.py")]
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
# What Windows or macOS lacks, as typeshed has it: `mypy --platform win32` and `--platform darwin` find the same, in two
# minutes.
LACKING = {
    "os": "WNOHANG chown chroot copy_file_range fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg "
          "getpgid getpgrp getuid killpg lchown memfd_create mkfifo nice posix_fadvise posix_spawn pread preadv pwrite "
          "readv sched_getaffinity sched_setaffinity sendfile setgid setsid setuid statvfs sync sysconf ttyname uname "
          "wait wait3 wait4 writev",
    "signal": "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm pause pthread_kill setitimer",
    "socket": "AF_UNIX SO_BINDTODEVICE SO_REUSEPORT sethostname",
    "time": "clock_settime pthread_getcpuclockid tzset",
    "asyncio": "open_unix_connection start_unix_server",
}  # fmt: skip
POSIX_PATH = re.compile(r"/(tmp|proc|sys|dev|etc|var|usr|home|run|opt)(/|$)|/\.\w+$")
# Files of Linux that are read where they are there: each reader goes on without.
READ_IF_THERE = {"lora_viz/core/host.py", "lora_viz/costs/step_time.py", "lora_viz/ui/addresses.py"}


def unguarded(source: str) -> list[str]:
    """Uses of what some systems lack, in a function (or, outside of one, a statement) that does not ask for it."""
    found: list[str] = []

    def look(node: ast.AST, around: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Try() | ast.If():
                around = around if isinstance(node, ast.If) and isinstance(around, ast.stmt) else node
            case ast.Import(names=names):
                found.extend(
                    n.name for n in names if n.name in MODULES and "except ImportError" not in ast.unparse(around)
                )
            case ast.ImportFrom(module=module) if module in MODULES:
                found.append(str(module))
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in LACKING.get(module, "").split():
                asked = ast.unparse(around) if isinstance(around, ast.stmt) else ""
                if f"hasattr({module}, '{name}')" not in asked and "sys.platform" not in asked:
                    found.append(f"{module}.{name}")
            case ast.Call(func=ast.Attribute(attr="symlink_to" | "hardlink_to" | "strftime" as name), args=args):
                if name != "strftime" or any(isinstance(a, ast.Constant) and "%-" in str(a.value) for a in args):
                    found.append(name)
            case ast.Constant(value=str(text)) if POSIX_PATH.match(text):
                found.append(text)
        for child in ast.iter_child_nodes(node):
            look(child, around)

    whole = ast.parse(source)
    look(whole, whole)
    return found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import os\nos.fork()", 1),
        ("def f():\n    return os.pread(1, 2, 3)", 1),
        ("def f():\n    if not hasattr(os, 'pread'):\n        return b''\n    return os.pread(1, 2, 3)", 0),
        ("n = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1", 1),  # outside of a function
        ("if sys.platform == 'linux':\n    os.nice(1)", 0),
        ("import resource", 1),
        ("try:\n    import resource\nexcept ImportError:\n    resource = None", 0),
        ("open('/tmp/x')", 1),
        ("way = '/light/rank'", 0),
        ("now.strftime('%-d')", 1),
        ("signal.signal(signal.SIGTERM, f)", 0),
    ],
)
def test_what_is_looked_for_is_found(source: str, count: int) -> None:
    assert len(unguarded(source)) == count, unguarded(source)


def test_nothing_is_used_that_some_system_lacks() -> None:
    found = {path.relative_to(ROOT).as_posix(): unguarded(path.read_text(encoding="utf-8")) for path in FILES}
    assert len(FILES) > 400
    bad = {path: [each for each in uses if path not in READ_IF_THERE or each[0] != "/"] for path, uses in found.items()}
    assert not {path: uses for path, uses in bad.items() if uses}
    assert {path for path in found if any(each[0] == "/" for each in found[path])} == READ_IF_THERE


def test_no_two_files_differ_in_case_alone() -> None:
    """A disk of Windows or macOS holds one of them; and nothing is called what Windows keeps for itself."""
    paths = [path.relative_to(ROOT).as_posix() for path in ROOT.joinpath("lora_viz").rglob("*")]
    assert len({path.lower() for path in paths}) == len(paths)
    kept = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)|.*[ .]$|.*[<>:\"|?*\\]", re.IGNORECASE)
    assert not [path for path in paths if any(kept.match(part) for part in path.split("/"))]
