"""Shut a process in: it writes to one folder, and sees no other process.

On Linux only, with namespaces for users, mounts, processes, messages and the
network (man 7 namespaces), which any user may have unless the administrator
has switched them off. It is what bubblewrap does, for machines that lack it.
"""

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct

# sched.h, sys/mount.h, sys/prctl.h, net/if.h
NEW_USER, NEW_MOUNTS, NEW_PIDS, NEW_IPC, NEW_NET = (
    0x10000000, 0x00020000, 0x20000000, 0x08000000, 0x40000000)
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 32, 4096, 16384, 1 << 18
KEPT_FLAGS = 2 | 4 | 8  # nosuid, nodev, noexec: a remount must repeat them
DIE_WITH_PARENT = 1
SET_FLAGS, UP = 0x8914, 1
DEVICES = ("null", "zero", "full", "random", "urandom")
# What root could change although the rest of /proc is its own.
OF_THE_SYSTEM = ("sys", "sysrq-trigger", "irq", "bus", "fs")


def seal(work, hidden, size):
    """Return in a process that is shut in; this one waits for it and ends.

    Every process that is started from there ends with it.

    Args:
        work: path of the folder that it may write to; it is empty, and what is
            written vanishes at the end.
        hidden: paths of folders and files that are to look empty.
        size: of that folder, in bytes.

    Raises:
        OSError: this system does not allow it. (AttributeError: it has none of
            this.) It may then be half shut in.
    """
    unshare(NEW_USER | NEW_MOUNTS | NEW_PIDS | NEW_IPC | NEW_NET)
    continue_in_child()  # the first process of its world: when it ends, all do
    mount(None, "/", None, RECURSIVE | PRIVATE)
    for place in mount_points():
        make_read_only(place)
    mount("none", work, "tmpfs", 0, f"size={size}")
    own_devices(os.path.join(work, "dev"))
    mount("proc", "/proc", "proc", KEPT_FLAGS)
    for name in OF_THE_SYSTEM:
        path = f"/proc/{name}"
        if os.path.exists(path):
            mount(path, path, None, BIND)
            make_read_only(path)
    for path in hidden:
        if os.path.isdir(path):
            mount("none", path, "tmpfs", READ_ONLY)
        elif os.path.exists(path):
            mount("/dev/null", path, None, BIND)
    switch_loopback_on()  # a kernel is spoken to through it
    continue_in_child()   # kernels end themselves below the first process
    unshare(NEW_USER | NEW_MOUNTS)  # from here nothing can be unmounted


def call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def unshare(kinds):
    """Begin a new world, in which this user has the same number."""
    user, group = os.getuid(), os.getgid()
    call("unshare", kinds)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"),
                       ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def mount(source, target, kind, flags, options=None):
    call("mount", *(text and os.fsencode(text)
                    for text in (source, target, kind)), flags,
         options and options.encode())


def make_read_only(place):
    flags = os.statvfs(place).f_flag & KEPT_FLAGS
    mount(None, place, None, REMOUNT | BIND | READ_ONLY | flags)


def mount_points():
    """Where file systems are mounted, but below /proc and /dev, which are
    replaced."""
    with open("/proc/self/mountinfo", encoding="utf-8",
              errors="surrogateescape") as file:
        places = [re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)),
                         line.split()[4]) for line in file]
    return [place for place in dict.fromkeys(places) if os.path.exists(place)
            and not f"{place}/".startswith(("/proc/", "/dev/"))]


def own_devices(folder):
    """Put the devices that programs need, and no others, in place of /dev."""
    os.mkdir(folder)
    mount("none", folder, "tmpfs", 0, "size=64m")
    for name in DEVICES:
        open(f"{folder}/{name}", "w").close()
        mount(f"/dev/{name}", f"{folder}/{name}", None, BIND)
    os.mkdir(f"{folder}/shm")
    os.symlink("/proc/self/fd", f"{folder}/fd")
    mount(folder, "/dev", None, BIND | RECURSIVE)


def switch_loopback_on():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14s", b"lo", UP,
                                                       b""))


def continue_in_child():
    """Fork; the parent waits for the child and ends as it did."""
    child = os.fork()
    if child:
        while True:
            ended, status = os.wait()  # orphans too
            if ended == child:
                os._exit(os.waitstatus_to_exitcode(status) & 255)
    call("prctl", DIE_WITH_PARENT, signal.SIGKILL)
