"""Scaled gradients for float16, without a line in the script.

Small gradients vanish in float16. A GradScaler multiplies the loss, and the script must unscale before it looks at a gradient.
Here gradients are scaled only inside the model: up where they enter it from its outputs, down again where they leave it into a
parameter (a tensor hook) or an input. So the script's loss, its clipping, its gradient norms see true values. A step
whose gradients are not finite is skipped and the scale halved; it doubles after GROWTH_STEPS good steps (as GradScaler's does).
"""

import weakref

from .containers import map_tensors

FIRST_SCALE = 2.0**16
GROWTH_STEPS = 2000
# A parameter that is also used outside the model's call would get gradients that were never scaled, one that the model uses but
# does not own would keep scaled ones. In so many backward
# passes it is looked for in the graph, up to so many nodes of it.
LOOKED_AT = 3
MOST_NODES = 200000


class GradientScale:
    """The scale of one autocast patch, and everything that applies it."""

    def __init__(self, patch):
        self._patch, self._torch = patch, patch.torch
        self.value = FIRST_SCALE
        self.skipped = self._good = 0
        self._hooked = {}  # id of a parameter -> (reference to it, its hook's handle)
        self._while_off = None  # the scale that comes back with `on`
        self._looks_left = LOOKED_AT
        self._kept = {}  # optimizer's id -> gradients taken away for a skipped step
        self._up, self._down = _functions(self._torch, self)

    def place(self):
        """Watch the optimizer's steps and the first backward passes."""
        patch = self._patch
        patch.on_undo(self.off)
        patch.watch.when("torch.optim.optimizer", self._watch_steps)
        patch.replace(self._torch.autograd, "backward", self._looking_backward)

    def detail(self):
        """What the recording says at the end."""
        return {"skipped_steps": self.skipped, "scale": self.value}

    # -- within the model ------------------------------------------------------------------------------------------

    def enter(self, model, args, kwargs):
        """Parameters get their hooks; inputs that need gradients get theirs unscaled."""
        torch = self._torch
        if not torch.is_grad_enabled():
            return args, kwargs
        for parameter in model.parameters():
            if parameter.requires_grad and not self._is_hooked(parameter):
                handle = parameter.register_hook(self._unscaled)
                self._hooked[id(parameter)] = weakref.ref(parameter), handle

        def down(tensor):
            return self._down.apply(tensor) if tensor.requires_grad and tensor.is_floating_point() else tensor

        return map_tensors(torch, args, down), map_tensors(torch, kwargs, down)

    def result(self, output):
        """Outputs in float32, whose gradients are scaled on their way in."""
        half = self._torch.float16

        def up(tensor):
            if tensor.requires_grad and tensor.is_floating_point():
                return self._up.apply(tensor)
            return tensor.float() if tensor.dtype is half else tensor

        return map_tensors(self._torch, output, up)

    def _unscaled(self, gradient):
        return gradient if self.value == 1.0 else gradient * (1.0 / self.value)

    def _is_hooked(self, parameter):
        known = self._hooked.get(id(parameter))
        return known is not None and known[0]() is parameter

    def off(self):
        """Scale by one, without hooks: a graph that was made while it was on has its border still, and is scaled by neither side."""
        self._while_off, self.value = self._while_off or self.value, 1.0
        self._remove_hooks()

    def on(self):
        """Scale again; parameters get their hooks at the next call."""
        self._while_off, self.value = None, self._while_off or self.value

    def _remove_hooks(self):
        for _, handle in self._hooked.values():
            handle.remove()
        self._hooked.clear()

    # -- backward --------------------------------------------------------------------------------------------------

    def _looking_backward(self, original):
        def backward(tensors, *args, **kwargs):
            if self._looks_left and self._hooked:
                try:
                    self._look(tensors)
                except Exception as error:
                    self._patch.failed(error)
            return original(tensors, *args, **kwargs)

        return backward

    def _look(self, tensors):
        self._looks_left -= 1
        tensors = [tensors] if isinstance(tensors, self._torch.Tensor) else tensors
        if not self._scaled_rightly([tensor.grad_fn for tensor in tensors]):
            self._patch.withdraw(
                "a parameter is used outside the call of the model that owns it: its gradient cannot be scaled"
            )

    def _scaled_rightly(self, nodes):
        """Whether every parameter that the graph leads to is hooked if it lies within the model's border, and not if outside."""
        waiting, seen = [(node, False) for node in nodes if node is not None], set()
        while waiting and len(seen) < MOST_NODES:
            place = node, inside = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            variable = getattr(node, "variable", None)  # what AccumulateGrad writes to
            if variable is not None and self._is_hooked(variable) != inside:
                return False
            inside = _across(node.name(), inside)
            waiting.extend((after, inside) for after, _ in node.next_functions if after is not None)
        return True

    # -- the optimizer ---------------------------------------------------------------------------------------------

    def _watch_steps(self, module, *_):
        for handle in (
            module.register_optimizer_step_pre_hook(self._before_step),
            module.register_optimizer_step_post_hook(self._after_step),
        ):
            self._patch.on_undo(handle.remove)

    def _before_step(self, optimizer, args, kwargs):
        if not self._hooked or self._torch.compiler.is_compiling():
            return None
        try:
            closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
            if closure is None:
                self._judge(optimizer)
                return None
            return args[:1], dict(kwargs, closure=lambda: self._judged_after(closure, optimizer))
        except Exception as error:
            self._patch.failed(error)
            return None

    def _judged_after(self, closure, optimizer):
        self._give_back(optimizer)
        loss = closure()
        self._judge(optimizer)
        return loss

    def _judge(self, optimizer):
        """Take the gradients away if one is not finite: an optimizer leaves parameters without gradients as they are."""
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not any(self._is_hooked(p) for p in parameters):
            return
        if self._finite([p.grad for p in parameters]):
            self._good += 1
            if self._good >= GROWTH_STEPS:
                self._good, self.value = 0, self.value * 2
            return
        self.skipped += 1
        self._good, self.value = 0, self.value / 2
        self._kept[id(optimizer)] = [(p, p.grad) for p in parameters]
        for p in parameters:
            p.grad = None

    def _after_step(self, optimizer, args, kwargs):
        self._give_back(optimizer)

    def _give_back(self, optimizer):
        for parameter, gradient in self._kept.pop(id(optimizer), ()):
            if parameter.grad is None:
                parameter.grad = gradient

    def _finite(self, gradients):
        """Whether all are, with one look at the device, as GradScaler does it."""
        torch, found = self._torch, {}
        for gradient in gradients:
            values = gradient.coalesce()._values() if gradient.is_sparse else gradient
            found.setdefault((values.device, values.dtype), []).append(values)
        sums = []
        for (device, _), group in found.items():
            infinite, one = torch.zeros(1, device=device), torch.ones(1, device=device)
            torch._amp_foreach_non_finite_check_and_unscale_(group, infinite, one)
            sums.append(infinite)
        return not any(float(infinite) for infinite in sums)


def _functions(torch, scale):
    """The two crossings of the model's border, as differentiable functions: gradients scaled up, and down."""

    class ScaledUp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, tensor):
            ctx.dtype = tensor.dtype
            return tensor.to(torch.float32 if tensor.dtype is torch.float16 else tensor.dtype, copy=True)

        @staticmethod
        def backward(ctx, gradient):
            return (gradient * scale.value).to(ctx.dtype)

    class ScaledDown(torch.autograd.Function):
        @staticmethod
        def forward(ctx, tensor):
            return tensor.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * (1.0 / scale.value)

    return ScaledUp, ScaledDown


def _across(name, inside):
    """On which side of the model's border the graph goes on after a node of this name."""
    if name.startswith("ScaledUp"):
        return True
    return inside and not name.startswith("ScaledDown")
