"""File permissions of the data folder: messages, e-mails and secrets in it are only for its owner."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import structlog

from gateway.config.settings import Config

log = structlog.get_logger("parley.gateway")

UMASK = 0o077
OTHERS_ACCESS = stat.S_IRWXG | stat.S_IRWXO
PRIVATE_ENTRIES = ("parley.db*", "blobs", "knowledge", "routes", "published-*.json", "read-*.json", "address")
"""The entries to restrict if the data folder also holds the configuration, and perhaps a whole project."""


def restrict_new_files() -> None:
    """Make every file that this process creates from now on accessible to its owner only."""
    os.umask(UMASK)


def restrict_data_folder(config: Config) -> None:
    """Take other users' access to the data folder away. Links are not followed, and files of other users are left as
    they are."""
    folder = config.data_path
    if config.folder.is_relative_to(folder):
        entries = [entry for name in PRIVATE_ENTRIES for entry in folder.iterdir() if fnmatch(entry.name, name)]
    else:
        entries = [folder]
    changed = sum(_restrict(path) for top in entries if top.exists() for path in _walk(top))
    if changed:
        log.warning("data_folder_tightened", folder=str(folder), changed=changed)


def is_open_to_others(path: Path) -> bool:
    """Whether anybody but the owner has access to the file or folder."""
    try:
        return bool(path.lstat().st_mode & OTHERS_ACCESS)
    except OSError:
        return False  # it does not exist


def _walk(top: Path) -> Iterator[str]:
    yield str(top)
    folders = [str(top)] if top.is_dir() and not top.is_symlink() else []
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    yield entry.path
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue  # deleted meanwhile, or another user's


def _restrict(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode) or not mode & OTHERS_ACCESS:
            return False
        os.chmod(path, stat.S_IMODE(mode) & ~OTHERS_ACCESS)
    except (FileNotFoundError, PermissionError):
        return False
    return True
