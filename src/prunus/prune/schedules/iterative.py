"""Prune, retrain, prune further, retrain."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prunus.prune.schedules.schedule import Event, Schedule, refuse_too_short


class Iterative(Schedule):
    """Trains, then `steps` times prunes and trains for `retrain_epochs`; each step leaves the same share of the rest.

    The last steps x retrain_epochs epochs of the training are the retraining, the epochs before are the training
    proper, T of them. `rewind` says what goes back to where it was retrain_epochs before the end of the training
    proper, each time something was pruned: the `learning_rate`, the `weights` with it, or `nothing`, in which case
    the learning rate follows the training's schedule over all epochs. With retrain_epochs = T the weights go back to
    their initial values.

    Sources: Han et al., 2015; rewinding of weights, Frankle & Carbin, "The lottery ticket hypothesis", 2019, and
    Frankle et al., "Linear mode connectivity and the lottery ticket hypothesis", 2020; of the learning rate, Renda et
    al., "Comparing rewinding and fine-tuning", 2020.

    >>> [(event.epoch, event.rate) for event in Iterative(steps=2, retrain_epochs=3).events(0.75, epochs=10)]
    [(4, 0.5), (7, 0.75)]
    """

    steps: int = Field(default=3, ge=1)
    retrain_epochs: int = Field(default=5, ge=1)
    rewind: Literal["nothing", "learning_rate", "weights"] = "nothing"

    def events(self, rate: float, epochs: int) -> tuple[Event, ...]:  # noqa: D102
        proper = self._proper(epochs)
        back_to = proper - self.retrain_epochs if self.rewind == "weights" else None
        return tuple(
            Event(
                proper + (step - 1) * self.retrain_epochs,
                rate if step == self.steps else 1 - (1 - rate) ** (step / self.steps),
                rewind_to=back_to,
            )
            for step in range(1, self.steps + 1)
        )

    def learning_rate_place(self, epoch: int, epochs: int) -> tuple[int, int]:
        """In the training proper its own place; in each retraining, the last epochs of the training proper again."""
        proper = self._proper(epochs)
        if self.rewind == "nothing":
            return epoch, epochs
        if epoch <= proper:
            return epoch, proper
        return proper - self.retrain_epochs + 1 + (epoch - proper - 1) % self.retrain_epochs, proper

    def _proper(self, epochs: int) -> int:
        """Epochs of the training proper: one at least, and as many as are rewound."""
        retraining = self.steps * self.retrain_epochs
        least = 1 if self.rewind == "nothing" else self.retrain_epochs
        refuse_too_short("iterative", retraining + least, epochs)
        return epochs - retraining
