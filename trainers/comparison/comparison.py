"""A comparison: runs in a directory, made by calls of `trainers.fit`, and the tables of them."""

import concurrent.futures
import json
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from amr_tf.analysis.metrics import dominance_title, format_dominance
from amr_tf.tasks import find_task
from tfrecords.differences import differences
from trainers.comparison import hparams, plan, plots, tables
from trainers.comparison.asked import arguments
from trainers.comparison.jobs import Jobs
from trainers.config import effects
from trainers.config.flags import config_of
from trainers.config.methods import flag_aliases, method_of
from trainers.config.run_config import Config
from trainers.reporting import evaluation_results

# What a comparison leaves, by what it is.
_WRITTEN = {
    "tables": ("table.md", "table.csv", "table.png", "runs.csv"),
    "figures": ("dominance.png", "accuracy-dominance.png"),
    "every run": ("runs",),
}


class Comparison:
    """A directory of runs and the tables made of them.

    Args:
        output: Path of the directory.
        config: Config that the runs share.
        shared: Dict of the flags that all runs are given.
    """

    def __init__(self, output: pathlib.Path, config: Config, shared: dict[str, Any]) -> None:
        self.output = output
        self.config = config
        # a shared option of one method is for the runs of that method
        self.aliases = {name: shared[name] for name in flag_aliases() if name in shared}
        own = {name: value for name, value in shared.items() if name not in self.aliases}
        self.shared = {**own, "data_dir": config.data_dir, "modalities": config.modalities}

    def claim(self) -> None:
        """Notes the shared flags, or checks that they are those of the runs that are there.

        Raises:
            ValueError: The directory holds a comparison with other flags.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        path = self.output / "compare.json"
        now = {**self.shared, **self.aliases}
        if path.exists():
            there = json.loads(path.read_text())
            if differing := differences(there, now):
                raise ValueError(
                    f"{self.output} holds a comparison with other flags: {differing}. "
                    "Choose another --output_dir"
                )
        evaluation_results.write_json(path, now)

    def directory(self, run: plan.Run) -> pathlib.Path:
        """The model directory of a run."""
        return self.output / "runs" / run.name

    def results(self, run: plan.Run) -> dict[str, Any] | None:
        """The results of a run, None before it is finished."""
        path = self.directory(run) / "results.json"
        return json.loads(path.read_text()) if path.exists() else None

    def command(self, run: plan.Run) -> list[str]:
        """The call of `trainers.fit` that makes a run."""
        given = {**self.shared, **run.flags, "model_dir": self.directory(run), "export": False}
        known = method_of(run.method, self.config.names).flags
        given |= {name: value for name, value in self.aliases.items() if name in known}
        if needed := plan.teachers(run, self.config.names):
            named = [f"{m}={self.directory(teacher)}" for m, teacher in needed.items()]
            given["teachers"] = ",".join(named)
        useless = effects.without_effect(config_of(arguments(given)))
        for name in useless.keys() & self.shared.keys() - run.flags.keys():
            given.pop(name)  # it is for the other runs
        return [sys.executable, "-m", "trainers.fit", *arguments(given)]

    def check(self, runs: Sequence[plan.Run]) -> None:
        """Checks the flags of all runs before the first is begun.

        Args:
            runs: Runs, the comparison's.

        Raises:
            ValueError: A run's flags are impossible; the message names the run.
        """
        for run in runs:
            try:
                self.command(run)
            except ValueError as error:
                raise ValueError(f"{run.name}: {error}") from error

    def run(self, runs: list[plan.Run], table: list[plan.Row], count: int) -> list[str]:
        """Makes the runs that are not finished, and the tables anew after each.

        Args:
            runs: List of the runs; those that others learn from come first.
            table: List of the tables' rows.
            count: Integer, the number of runs that are made at once.

        Returns:
            The names of those that failed.
        """
        todo = [run for run in runs if self.results(run) is None]
        finished = len(runs) - len(todo)
        print(
            f"{len(runs)} runs, {finished} of them finished; tables and runs in {self.output}",
            flush=True,
        )
        failed = []
        jobs = Jobs(count)
        began = time.monotonic()
        try:
            submitted = self._submit(jobs, todo)
            for done, future in enumerate(concurrent.futures.as_completed(submitted), 1):
                run, error = submitted[future], future.result()
                if error:
                    failed.append(run.name)
                left = (time.monotonic() - began) / done * (len(todo) - done)
                print(
                    f"[{finished + done}/{len(runs)}] {run.name}: {self._outcome(run, error)}; "
                    f"about {_duration(left)} left",
                    flush=True,
                )
                self.write(table)
        except BaseException:
            jobs.stop()
            raise
        return failed

    def write(self, table: list[plan.Row]) -> None:
        """Writes the tables of what is finished.

        Args:
            table: List of the tables' rows.
        """
        planned = {run for row in table for runs in row.runs.values() for run in runs}
        results = {run: found for run in planned if (found := self.results(run))}
        found = [
            tables.Line(
                row,
                {
                    weight: [results[run] for run in runs if run in results]
                    for weight, runs in row.runs.items()
                },
            )
            for row in table
        ]
        found = [line for line in found if any(line.results.values())]
        if not found:
            return
        tables.write(self.output, found, self.config)
        plots.write(self.output, found, self.config, self.directory)
        for run, finished in results.items():
            directory = self.output / "tensorboard" / run.name
            hparams.write(directory, Config.load(self.directory(run)).to_json(), finished)

    def show(self) -> None:
        """Prints the table and where everything is, as far as it was written."""
        table = self.output / "table.md"
        if not table.exists():
            print("No run is finished: there is no table yet.")
            return
        print(f"\n{table.read_text()}")
        for title, names in _WRITTEN.items():
            if there := [name for name in names if (self.output / name).exists()]:
                print(f"{title:12} {self.output}/{', '.join(there)}")
        print(f"HParams      tensorboard --logdir={self.output / 'tensorboard'}")

    def _submit(
        self, jobs: Jobs, todo: list[plan.Run]
    ) -> dict[concurrent.futures.Future, plan.Run]:
        submitted: dict[plan.Run, concurrent.futures.Future] = {}
        for run in todo:
            teachers = plan.teachers(run, self.config.names).values()
            needed = [submitted[teacher] for teacher in teachers if teacher in submitted]
            log = self.directory(run).with_suffix(".log")
            submitted[run] = jobs.submit(self.command(run), log, needed)
        return {future: run for run, future in submitted.items()}

    def _outcome(self, run: plan.Run, error: str) -> str:
        if error:
            return f"FAILED: {error}; see {self.directory(run)}.log"
        results = self.results(run)
        shown = find_task(results["task"]).metrics[:2]
        line = ", ".join(f"{metric.name} {metric.shown(results[metric.name])}" for metric in shown)
        if results["dominance"]:
            shares = results["dominance"]
            line += f", {dominance_title(tuple(shares))} {format_dominance(shares)}"
        return line


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
