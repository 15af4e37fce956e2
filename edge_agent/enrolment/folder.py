"""The folder that an enrolment writes into: found fit before a code is spent, and never made by a slip."""

from __future__ import annotations

import contextlib
import errno
import tempfile
from pathlib import Path

from foundation.commands import UsageError
from foundation.oserrors import why

_DENIED = (errno.EACCES, errno.EPERM)


def prepare_folder(folder: Path) -> Path | None:
    """Makes the folder if only its last part is missing, and writes in it for a trial; the one it has made.

    Raises UsageError, and has made nothing then.
    """
    folder = folder.absolute()
    made = False
    try:
        if not folder.is_dir():
            folder.mkdir()
            made = True
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        raise UsageError(
            f"--folder: {folder} 是文件 is a file; give the folder it is in, or another one"
        ) from None
    except NotADirectoryError:
        raise UsageError(f"--folder: {folder.parent} 是文件 is a file; check the spelling") from None
    except FileNotFoundError as error:
        if folder.is_dir():  # such as /proc, where nobody makes a file
            raise UsageError(
                f"--folder: 不能写入 {unwritable(folder, error)}; or give another folder"
            ) from None
        raise UsageError(
            f"--folder: 没有文件夹 there is no folder {folder.parent} to make {folder.name} in; check the spelling, "
            f"or make it first: mkdir -p {folder.parent}"
        ) from None
    except OSError as error:
        if made:
            forget_folder(folder)
        raise UsageError(f"--folder: 不能写入 {unwritable(folder, error)}; or give another folder") from None
    return folder if made else None


def forget_folder(folder: Path) -> None:
    """One that was made for nothing, if there is nothing else in it."""
    with contextlib.suppress(OSError):
        (folder / "keys").rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()


def unwritable(place: Path, error: OSError) -> str:
    """Place and cause; whose it is, where that is the remedy."""
    text = f"{place} cannot be written: {why(error)}"
    if error.errno not in _DENIED:
        return text
    for there in (place, *place.parents):
        with contextlib.suppress(OSError):
            owner = there.stat().st_uid
            return f"{text}; {there} belongs to user {owner}: run the same command as that user"
    return text
