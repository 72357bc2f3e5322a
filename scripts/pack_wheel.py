#!/usr/bin/env python3
"""Packs the built Python package into a wheel for the Python that runs this.

    pack_wheel.py PACKAGE REPOSITORY OUT

PACKAGE is the folder v2r with the extension; configs/ and envs/assets of the repository go into it as share/v2r, where the
extension looks first (HomeDirectory in core/files.cc). Equal files give equal bytes.
"""
import base64
import hashlib
import pathlib
import re
import sys
import zipfile


def contents(package, repository):
    """(name in the wheel, bytes) of everything but the metadata."""
    for path in sorted(package.iterdir()):
        if path.suffix in (".py", ".so"):
            yield f"v2r/{path.name}", path.read_bytes()
    for folder in ("configs", "envs/assets"):
        for path in sorted((repository / folder).rglob("*")):
            if path.is_file():
                yield f"v2r/share/v2r/{path.relative_to(repository).as_posix()}", path.read_bytes()


def main(package, repository, out):
    package, repository, out = map(pathlib.Path, (package, repository, out))
    if not any(package.glob("_v2r.*.so")):
        sys.exit(f"pack_wheel: {package} has no extension _v2r: build the target v2r_python")
    project = (repository / "CMakeLists.txt").read_text()
    version = re.search(r"project\(v2r VERSION ([0-9.]+)", project).group(1)
    python = "cp{}{}".format(*sys.version_info)
    tag = f"{python}-{python}-linux_x86_64"
    info = f"v2r-{version}.dist-info"
    files = list(contents(package, repository))
    files += [
        (f"{info}/METADATA", (
            f"Metadata-Version: 2.1\nName: v2r\nVersion: {version}\n"
            "Summary: Learned rewards from video for MuJoCo, as Gymnasium vector environments\n"
            "Requires-Python: >=3.10\nRequires-Dist: numpy\nRequires-Dist: gymnasium>=1.1\n"
            "Provides-Extra: sb3\nRequires-Dist: stable-baselines3>=2.4; extra == 'sb3'\n").encode()),
        (f"{info}/WHEEL", (
            f"Wheel-Version: 1.0\nGenerator: v2r pack_wheel\nRoot-Is-Purelib: false\nTag: {tag}\n").encode()),
        (f"{info}/LICENSE", (repository / "LICENSE").read_bytes()),
    ]
    record = ""
    for name, data in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode()))

    out.mkdir(parents=True, exist_ok=True)
    wheel = out / f"v2r-{version}-{tag}.whl"
    beside = wheel.with_suffix(".tmp")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            archive.writestr(entry, data)
    beside.replace(wheel)
    print(f"wheel: {wheel.relative_to(pathlib.Path.cwd()) if wheel.is_relative_to(pathlib.Path.cwd()) else wheel}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
