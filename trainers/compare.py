"""Trains methods side by side, without and with AMR: `python -m trainers.compare --help`.

Makes the table of the paper (mAP, accuracy, dominance; without | with AMR) over several seeds:
table.md, table.csv, table.png and runs.csv in --output_dir, dominance.png (over training) and
accuracy-dominance.png beside them, every run in --output_dir/runs, and
TensorBoard's HParams page in --output_dir/tensorboard. All flags of `trainers.fit` are taken and
hold for every run. The same command goes on where it was interrupted; a run that failed is named
and tried again, the others are not repeated. More --seeds or --methods may be added later.
"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import time
from typing import Any

from absl import flags

from amr_tf.analysis.metrics import format_dominance
from trainers.comparison import hparams, plan, plots, tables
from trainers.config import flags as trainer_flags
from trainers.config.run_config import MODALITIES, Config
from trainers.reporting import evaluation_results
from trainers.running import assembly, command, teachers

# What a comparison decides for each run.
_OWN = (
    "method", "method_options", "seed", "model_dir", "teachers", "overwrite", "export"
)  # fmt: skip
DEFAULT_METHODS = (
    "naive,dropout,modality_dropout,umt,ogm,ogm_ge,gradient_blending(estimate_epochs=5),gge,"
    "mmpareto,agm,dgl,ume,audio,video"
)


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string(
        "methods", DEFAULT_METHODS, "What to compare; with options: naive,ogm(alpha=0.5)."
    )
    flags.DEFINE_integer("seeds", 3, "Runs of each, with the seeds 0, 1, ...", lower_bound=1)
    flags.DEFINE_multi_string(
        "sweep", [], "Values of a flag to go through, amr_weight=0.1,1,10; repeat for a grid."
    )
    flags.DEFINE_string("output_dir", "", "Default: runs/compare-DATASET[-PRESET].")
    flags.DEFINE_integer("jobs", 1, "Runs at once; they share the devices.", lower_bound=1)
    trainer_flags.define(without=_OWN)


def main() -> None:
    """The command."""
    values = flags.FLAGS
    with command.user_errors():
        config = trainer_flags.config(values)
        if not config.amr_weight:
            raise ValueError("--amr_weight=0: runs without AMR are made anyway; give the other")
        sweepable = [name for name in config.to_json() if name not in _OWN]
        sweeps = plan.parse_sweeps(values.sweep, sweepable)
        table = plan.rows(plan.parse_methods(values.methods), range(values.seeds), sweeps)
        comparison = Comparison(output_dir(values.output_dir, config), config, shared_flags(values))
        comparison.claim()
        assembly.make_synthetic(config)
    runs = plan.in_order(table)
    failed = comparison.run(runs, table, values.jobs)
    comparison.write(table)
    print(f"\n{(comparison.output / 'table.md').read_text()}")
    print(f"tables       {comparison.output}/table.md, table.csv, table.png, runs.csv")
    print(f"figures      {comparison.output}/dominance.png, accuracy-dominance.png")
    print(f"every run    {comparison.output / 'runs'}")
    print(f"HParams      tensorboard --logdir={comparison.output / 'tensorboard'}")
    if failed:
        sys.exit(f"error: {len(failed)} of {len(runs)} runs failed: {', '.join(failed)}")


def output_dir(given: str, config: Config) -> pathlib.Path:
    """Where the comparison is kept."""
    suffix = "" if config.preset == "full" else f"-{config.preset}"
    return pathlib.Path(given or f"runs/compare-{config.dataset}{suffix}")


def shared_flags(values: flags.FlagValues) -> dict[str, Any]:
    """The flags of `trainers.fit` that were given, but for the weight, which half the runs lack."""
    given = trainer_flags.given_flags(values)
    return {name: value for name, value in given.items() if name != "amr_weight"}


class Comparison:
    """A directory of runs and the tables made of them.

    Args:
        output: The directory.
        config: The configuration that the runs share.
        shared: The flags that all runs are given.
    """

    def __init__(self, output: pathlib.Path, config: Config, shared: dict[str, Any]) -> None:
        self.output = output
        self.config = config
        self.shared = {**shared, "data_dir": config.data_dir}

    def claim(self) -> None:
        """Notes the shared flags, or checks that they are those of the runs that are there.

        Raises:
            ValueError: The directory holds a comparison with other flags.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        path = self.output / "compare.json"
        now = {**self.shared, "amr_weight": self.config.amr_weight}
        if path.exists():
            there = json.loads(path.read_text())
            differing = [
                f"{name} ({there.get(name)} there, {now.get(name)} now)"
                for name in sorted(there.keys() | now.keys())
                if there.get(name) != now.get(name)
            ]
            if differing:
                raise ValueError(
                    f"{self.output} holds a comparison with other flags: {'; '.join(differing)}. "
                    "Choose another --output_dir"
                )
        evaluation_results.write_json(path, now)

    def directory(self, run: plan.Run) -> pathlib.Path:
        """A run's model directory."""
        return self.output / "runs" / run.name

    def results(self, run: plan.Run) -> dict[str, Any] | None:
        """A finished run's results, None before that."""
        path = self.directory(run) / "results.json"
        return json.loads(path.read_text()) if path.exists() else None

    def command(self, run: plan.Run) -> list[str]:
        """The call of `trainers.fit` that makes a run."""
        given = {**self.shared, **run.flags, "model_dir": self.directory(run), "export": False}
        given.setdefault("amr_weight", self.config.amr_weight)
        if not run.amr:
            given["amr_weight"] = 0
        if run.method in teachers.METHODS:
            named = [f"{m}={self.directory(plan.teacher(run, m))}" for m in MODALITIES]
            given["teachers"] = ",".join(named)
        arguments = [f"--{name}={value}" for name, value in given.items()]
        return [sys.executable, "-m", "trainers.fit", *arguments]

    def run(self, runs: list[plan.Run], table: list[plan.Row], jobs: int) -> list[str]:
        """Makes the runs that are not finished.

        Args:
            runs: In order; those that others learn from first.
            table: Written anew after each.
            jobs: Runs at once.

        Returns:
            The names of those that failed.
        """
        todo = [run for run in runs if self.results(run) is None]
        print(
            f"{len(runs)} runs, {len(runs) - len(todo)} of them finished; tables and runs in "
            f"{self.output}",
            flush=True,
        )
        failed = []
        pool = _Pool(jobs)
        began = time.monotonic()
        try:
            submitted = {}
            for run in todo:
                needed = []
                if run.method in teachers.METHODS:
                    needed = [submitted.get(plan.teacher(run, m)) for m in MODALITIES]
                log = self.directory(run).with_suffix(".log")
                submitted[run] = pool.submit(self.command(run), log, list(filter(None, needed)))
            by_future = {future: run for run, future in submitted.items()}
            for done, future in enumerate(concurrent.futures.as_completed(by_future), 1):
                run = by_future[future]
                left = (time.monotonic() - began) / done * (len(todo) - done)
                line = f"[{len(runs) - len(todo) + done}/{len(runs)}] {run.name}: "
                if error := future.result():
                    failed.append(run.name)
                    line += f"FAILED: {error}; see {self.directory(run)}.log"
                else:
                    line += self._line(run)
                print(f"{line}; about {_duration(left)} left", flush=True)
                self.write(table)
        except BaseException:
            pool.stop()
            raise
        return failed

    def write(self, table: list[plan.Row]) -> None:
        """Writes the tables of what is finished."""
        found = [
            tables.Line(
                row,
                [r for run in row.plain if (r := self.results(run))],
                [r for run in row.amr if (r := self.results(run))],
            )
            for row in table
        ]
        found = [line for line in found if line.plain or line.amr]
        if not found:
            return
        tables.write(self.output, found, self.config)
        plots.write(self.output, found, self.config, self.directory)
        for row in table:
            for run in (*row.plain, *row.amr):
                results = self.results(run)
                if results:
                    flags_of_run = Config.load(self.directory(run)).to_json()
                    directory = self.output / "tensorboard" / run.name
                    hparams.write(directory, flags_of_run, results)

    def _line(self, run: plan.Run) -> str:
        results = self.results(run)
        line = f"accuracy {100 * results['accuracy']:.2f}, mAP {100 * results['mAP']:.2f}"
        if results["dominance"]:
            line += f", {'/'.join(MODALITIES)} {format_dominance(results['dominance'])}"
        return line


class _Pool:
    """Some processes at once, each after those that it needs."""

    def __init__(self, jobs: int) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(jobs)
        self._running: set[subprocess.Popen] = set()
        self._stopped = False

    def submit(
        self, arguments: list[str], log: pathlib.Path, needed: list
    ) -> concurrent.futures.Future:
        """Starts a command when its turn comes; its result is "" or what went wrong."""
        return self._threads.submit(self._run, arguments, log, needed)

    def _run(self, arguments: list[str], log: pathlib.Path, needed: list) -> str:
        if any(future.result() for future in needed):
            return "what it learns from failed"
        if self._stopped:
            return "interrupted"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            process = subprocess.Popen(  # noqa: S603  (a list, of our own command)
                arguments, stdout=file, stderr=subprocess.STDOUT
            )
            self._running.add(process)
            code = process.wait()
            self._running.discard(process)
        if code == 0:
            return ""
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"

    def stop(self) -> None:
        """Ends what runs; a run goes on from its last checkpoint when the command is repeated."""
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:  # each saves a checkpoint
            process.wait()


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


if __name__ == "__main__":
    command.run(define, main)
