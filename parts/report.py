"""What is seen of a training while it runs."""

import time

from parts.canvas import in_jupyter
from parts.plots import training_picture


class Report:
    """Show how training goes: live in Jupyter, plain lines elsewhere.

    In Jupyter one output is redrawn, and ends as the figure of the curves.
    """

    def __init__(self, history, num_epochs, num_steps, speaks=True):
        self.history, self.speaks = history, speaks
        self.num_epochs, self.num_steps = num_epochs, num_steps
        self.handle, self.drawn = None, 0.0

    def __enter__(self):
        done = len(self.history['loss'])
        if self.speaks and done:
            text = f'the checkpoint has {done} of {self.num_epochs} epochs: '
            if done < self.num_epochs:
                text += 'training goes on after them'
            else:
                text += 'nothing is trained; to train anew, remove it'
            print(text, flush=True)
        if self.speaks and in_jupyter():
            from IPython.display import HTML, display

            self.handle = display(HTML(''), display_id=True)
        return self

    def step(self, step, loss):
        """Redraw the progress bar, at most four times a second."""
        if self.handle is None or time.monotonic() - self.drawn < 0.25:
            return
        from IPython.display import HTML

        self.drawn = time.monotonic()
        epoch = len(self.history['loss'])
        done = epoch * self.num_steps + step
        svg = self._curves()._repr_svg_() if epoch else ''
        self.handle.update(
            HTML(
                f'<progress value="{done}" '
                f'max="{self.num_epochs * self.num_steps}"></progress> '
                f'epoch {epoch + 1} of {self.num_epochs}, '
                f'step {step} of {self.num_steps}, loss {loss:.3f}{svg}'
            )
        )

    def epoch(self):
        """Print the line of an epoch, where nothing is drawn."""
        if self.speaks and self.handle is None:
            print(self._line(), flush=True)

    def __exit__(self, *error):
        if self.handle is None or not self.history['loss']:
            return
        if len(self.history['loss']) > 1:
            self.handle.update(self._curves())
        else:  # one point makes no curve
            self.handle.update({'text/plain': self._line()}, raw=True)

    def _line(self):
        last = {name: values[-1] for name, values in self.history.items()}
        line = f'epoch {len(self.history["loss"])}/{self.num_epochs}: '
        line += f'loss {last["loss"]:.3f}, '
        if 'mean_iu' in last:
            line += f'pixel accuracy {last["pixel_accuracy"]:.3f}, '
            line += f'mean IU {last["mean_iu"]:.3f}, '
        return line + f'{last["examples_per_second"]:.1f} examples/s'

    def _curves(self):
        losses = {'training loss': self.history['loss']}
        names = {'pixel_accuracy': 'pixel accuracy', 'mean_iu': 'mean IU'}
        shares = {
            label: self.history[name]
            for name, label in names.items()
            if name in self.history
        }
        ends = ', '.join(
            f'{name} {values[-1]:.3f}'
            for name, values in (losses | shares).items()
        )
        return training_picture(
            losses, shares, f'Curves by epoch, ending at {ends}.'
        )
