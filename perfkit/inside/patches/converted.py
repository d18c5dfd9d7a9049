"""A model's tensors changed in place, and back: parameters stay the same objects, and the optimizer's state follows them."""


class Converted:
    """What one fix has converted in this process."""

    def __init__(self, patch, change):
        """*change* gives a tensor's new data, or the tensor itself where nothing is to be done."""
        self._patch, self._change = patch, change
        self._before = []  # (tensor, what takes its data back)
        self._aligned = set()  # ids of optimizers whose state fits by now

    def watch_optimizers(self):
        """Make the state of every optimizer fit before its first step after a conversion."""
        self._patch.watch.when("torch.optim.optimizer", self._watch_steps)

    def convert(self, model):
        """Convert parameters, their gradients and buffers; returns how many tensors were changed."""
        changed = 0
        for tensor in (*model.parameters(), *model.buffers()):
            new = self._change(tensor.data)
            if _differs(new, tensor):
                self._before.append((tensor, tensor.dtype, tensor.stride()))
                self._set(tensor, new)
                changed += 1
        self._aligned.clear()
        return changed

    def revert(self):
        """Everything that was converted as it was, with the values of today."""
        torch = self._patch.torch
        optimizers = getattr(self._patch.session, "optimizers", None)
        for tensor, dtype, stride in self._before:
            old = torch.empty_strided(tensor.shape, stride, dtype=dtype, device=tensor.device)
            self._set(tensor, old.copy_(tensor.data))
        self._before.clear()
        for optimizer in optimizers.objects.alive() if optimizers is not None else ():
            self._align(optimizer)

    def _set(self, tensor, data):
        gradient, tensor.grad = tensor.grad, None  # a gradient must have its tensor's type at all times
        tensor.data = data
        if gradient is not None:
            tensor.grad = self._like(data, gradient)

    def _watch_steps(self, module, *_):
        self._patch.on_undo(module.register_optimizer_step_pre_hook(self._before_step).remove)

    def _before_step(self, optimizer, args, kwargs):
        if id(optimizer) in self._aligned or not self._before or self._patch.torch.compiler.is_compiling():
            return
        self._aligned.add(id(optimizer))
        try:
            self._align(optimizer)
        except Exception as error:
            self._patch.failed(error)

    def _align(self, optimizer):
        """Give an optimizer's averages the type and the layout of the parameters they belong to."""
        for parameter, state in optimizer.state.items():
            for key, value in state.items() if isinstance(state, dict) else ():
                if _of_same_kind(self._patch.torch, parameter, value) and _differs(value, parameter):
                    state[key] = self._like(parameter, value)

    def _like(self, pattern, tensor):
        return self._patch.torch.empty_like(pattern, requires_grad=False).copy_(tensor.detach())


def _of_same_kind(torch, parameter, value):
    tensors = isinstance(parameter, torch.Tensor) and isinstance(value, torch.Tensor)
    return tensors and value.shape == parameter.shape and value.dim() > 0 and value.is_floating_point()


def _differs(one, other):
    return one.dtype is not other.dtype or one.stride() != other.stride()
