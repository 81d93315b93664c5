"""An object for a worker's process, and results that nobody measured."""

import os
import subprocess
import time

from benchmarks.steps import Candidate
from benchmarks.workers import Failed

EAGER = Candidate("PyTorch", "without AMR")
PLAIN = Candidate("TensorFlow", "plain")
OURS = Candidate("TensorFlow", "with AMR")


class Answers:
    def __init__(self, what):
        if what == "broken":
            raise ImportError("no such\nframework")
        self.what = what

    def say(self, more):
        return self.what + more

    def fail(self):
        raise ValueError("cannot\n  do that")

    def variable(self, name):
        return os.environ.get(name)

    def never(self):
        while True:
            time.sleep(60)

    def die(self):
        os._exit(3)

    def child(self):
        return subprocess.Popen(["sleep", "600"]).pid


class Steps:
    """In a `StepWorker`'s place: seconds of a step by candidate, or why it fails."""

    def __init__(self, seconds, failing=(), waited=None, peaks=None, ends_in_round=None):
        self.seconds, self.failing, self.waited = seconds, failing, waited
        self.peaks, self.ends_in_round = peaks or {}, ends_in_round
        self.made, self.turns = {}, []

    def make(self, candidate, seconds):
        if candidate in self.failing:
            raise Failed("no compiler")
        self.made[candidate] = self.peaks
        return self.peaks

    def ask(self, method, candidate, count, seconds):
        assert method == "turn"
        self.turns.append(candidate)
        if self.ends_in_round == self.turns.count(candidate):
            raise Failed("out of time")
        return self.seconds[candidate], self.waited
