#!/usr/bin/env python3
"""What one user of a host may try against processes, files and sockets of another.

Reads a JSON list of attempts from standard input, each [kind, argument…], and writes a list with one word for each:
"done", or the name of the kernel's refusal. Where a process id is asked for, "own" names a child that is made for the
attempt: what is done to it may be done, so that a refusal elsewhere is of whose process it is. A path may begin with
"own:", for a file that is made for the attempt.
"""
import ctypes, errno, json, os, resource, signal, socket, sys, tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PTRACE_SEIZE = 0x4206
SECRET = ctypes.create_string_buffer(b"a word that the child has at the same address")


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def vectors(call, pid):
    here = ctypes.create_string_buffer(SECRET.raw)
    local = Vector(ctypes.addressof(here), len(SECRET))
    remote = Vector(ctypes.addressof(SECRET), len(SECRET))
    check(call(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))


def memory(pid):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        file.seek(ctypes.addressof(SECRET))
        assert file.read(len(SECRET)) == SECRET.raw


def read(path):
    with open(path, "rb", buffering=0) as file:
        file.read(1)


def write(path):
    os.close(os.open(path, os.O_WRONLY))


PROCESS = {
    "memory": memory,
    "process_vm_readv": lambda pid: vectors(LIBC.process_vm_readv, pid),
    "process_vm_writev": lambda pid: vectors(LIBC.process_vm_writev, pid),
    "ptrace": lambda pid: check(LIBC.ptrace(PTRACE_SEIZE, pid, None, None)),
    "environ": lambda pid: read(f"/proc/{pid}/environ"),
    "maps": lambda pid: read(f"/proc/{pid}/maps"),
    "auxv": lambda pid: read(f"/proc/{pid}/auxv"),
    "descriptors": lambda pid: os.listdir(f"/proc/{pid}/fd"),
    "open descriptor": lambda pid: read(f"/proc/{pid}/fd/0"),
    "working directory": lambda pid: os.readlink(f"/proc/{pid}/cwd"),
    "core limit": lambda pid: resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0)),
    "core filter": lambda pid: write(f"/proc/{pid}/coredump_filter"),
    "oom score": lambda pid: write(f"/proc/{pid}/oom_score_adj"),
    "priority": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
    "affinity": lambda pid: os.sched_setaffinity(pid, os.sched_getaffinity(0)),
    "SIGUSR1": lambda pid: os.kill(pid, signal.SIGUSR1),
    "SIGSTOP": lambda pid: os.kill(pid, signal.SIGSTOP),
    "SIGTERM": lambda pid: os.kill(pid, signal.SIGTERM),
    "SIGKILL": lambda pid: os.kill(pid, signal.SIGKILL),
}

OWN = tempfile.mkdtemp()


def mine():
    handle, path = tempfile.mkstemp(dir=OWN)
    os.close(handle)
    return path


def connect(path):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)


PATH = {
    "read": read,
    "write": write,
    "list": os.listdir,
    "create": lambda folder: os.close(os.open(f"{folder}/planted", os.O_WRONLY | os.O_CREAT | os.O_EXCL)),
    "unlink": os.unlink,
    "rename": lambda path: os.rename(path, f"{path}.moved"),
    "replace": lambda path: os.replace(mine(), path),
    "link": lambda path: os.link(path, f"{OWN}/linked"),
    "mode": lambda path: os.chmod(path, 0o777),
    "connect": connect,
}


def on_process(kind, target):
    if target != "own":
        PROCESS[kind](int(target))
        return
    child = os.fork()
    if child == 0:
        while True:
            signal.pause()
    try:
        PROCESS[kind](child)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def own(kind):
    if kind in ("list", "create"):
        return tempfile.mkdtemp(dir=OWN)
    if kind != "connect":
        return mine()
    path = f"{OWN}/socket"
    LISTENER.bind(path)
    LISTENER.listen()
    return path


LISTENER = socket.socket(socket.AF_UNIX)


def outcome(kind, target):
    try:
        if kind in PROCESS:
            on_process(kind, target)
        else:
            PATH[kind](own(kind) if target == "own" else target)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


if __name__ == "__main__":
    attempts = json.load(sys.stdin)
    # For children: a descriptor that can be opened again.
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    json.dump([outcome(*attempt) for attempt in attempts], sys.stdout)
