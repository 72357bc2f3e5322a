#!/usr/bin/env python3
"""Unpacks what C++ needs of a wheel (headers, shared libraries, model files, licences) into a prefix.

    unpack_wheel.py FILE.whl PREFIX

Files go to a staging folder first and are then renamed into place; the wheel's *.dist-info folder comes last, so where
it is, the wheel is whole. An older version of the same wheel is removed before.
"""
import pathlib
import shutil
import sys
import zipfile


def wanted(name):
    path = pathlib.PurePosixPath(name)
    if path.parts[0].endswith(".dist-info") or name == "torch/version.py":
        return True
    if path.suffix in (".a", ".py", ".pyi", ".pyc") or ".cpython-" in path.name or path.name == "libtorch_python.so":
        return False
    if path.parts[:4] == ("gymnasium", "envs", "mujoco", "assets") or path.parts[:2] == ("dm_control", "suite"):
        return path.suffix in (".xml", ".stl", ".obj", ".png", ".skn")
    if path.parts[:2] == ("metaworld", "assets"):  # scene/textures holds what no scene names
        return path.suffix in (".xml", ".stl", ".png") and path.parts[2:4] != ("scene", "textures")
    return bool({"include", "lib", "plugin"} & set(path.parts[:-1])) or path.name.startswith("libmujoco.so")


def remove_other_versions(prefix, info):
    project = info.split("-")[0]
    for old in prefix.glob(f"{project}-*.dist-info"):
        record = old / "RECORD"
        names = [line.rsplit(",", 2)[0] for line in record.read_text().splitlines()] if record.exists() else []
        shutil.rmtree(old)
        for name in names:
            path = prefix / name
            if ".." not in path.parts and path.is_file():
                path.unlink()


def main(wheel, prefix):
    prefix = pathlib.Path(prefix)
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/")]
        info = next(n.split("/")[0] for n in names if n.split("/")[0].endswith(".dist-info"))
        stage = prefix / f".stage-{info}"
        shutil.rmtree(stage, ignore_errors=True)
        archive.extractall(stage, [n for n in names if wanted(n)])
    remove_other_versions(prefix, info)
    for path in sorted(p for p in stage.rglob("*") if p.is_file() and p.relative_to(stage).parts[0] != info):
        target = prefix / path.relative_to(stage)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    (stage / info).replace(prefix / info)
    shutil.rmtree(stage)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
