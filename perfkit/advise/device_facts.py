"""The facts about devices and memory: what the trace says of launches, copies and waits, and what the hardware could do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from .lazy import Absent, Facts, Unavailable, lazy

if TYPE_CHECKING:
    from ..hardware.catalog import DeviceSpec
    from ..runs.reader import Run

Row = dict[str, Any]

NO_DEVICE_WORK = "nothing ran on a device"
# With less of the matrix time counted, a share of the peak would be a guess.
COUNTED_ENOUGH = 0.8
# A trend over fewer steps than this is warm-up as likely as not.
MIN_STEPS_TO_GROW = 20


class DeviceFacts(Facts):
    """Base of Evidence. Seconds, bytes and calls are per step unless their name says otherwise."""

    @property
    def run(self) -> Run:
        """The run it is about. Raises Unavailable for literal evidence."""
        raise Unavailable("this evidence is literal")

    # --- from the trace

    @lazy
    def launch_facts(self) -> Row:
        """How work reaches the device: launches_per_step, kernels_per_step, graph_launches_per_step,
        mean_kernel_s, median_kernel_s, short_kernel_share (by number, kernels under 10 µs),
        short_kernel_time_share, call_s (the launching call, under the profiler), host_seconds_per_launch
        (from one launch to the next, under the profiler), median_launch_delay_s (from the launch to the
        kernel's start), starved_share (kernels that start at once, the device having waited for the host),
        queue_depth (kernels asked for and not begun, mean over launches), gaps {input, launch, sync, copy,
        communication, other: idle seconds_per_step of the unprofiled step}.
        """
        trace = self.need("trace")
        if trace.launches is None:
            raise Absent(NO_DEVICE_WORK)
        gaps = {row.name: row.seconds_per_step for row in trace.device_breakdown if row.kind == "idle"}
        return {**asdict(trace.launches), "gaps": gaps}

    @lazy
    def copies(self) -> list[Row]:
        """Copies by kind: kind (HtoD, DtoH, DtoD, PtoP, HtoH), pageable, calls_per_step, bytes_per_step,
        seconds_per_step, bytes_per_s, exposed_seconds_per_step (with no kernel running),
        host_blocked_seconds_per_step, operator (outermost, that copies most).
        """
        return self._of_device("copies")

    @lazy
    def syncs(self) -> list[Row]:
        """Calls in which the host waits for the device: name, operator (outermost, such as aten::item),
        module, line, direction, cause (sync; copy: the wait of an upload, which is in ``copies`` too),
        calls_per_step, seconds_per_step (under the profiler), exposed_idle_seconds_per_step (device idle
        that it causes, of the unprofiled step).
        """
        return self._of_device("syncs")

    def _of_device(self, name: str) -> list[Row]:
        trace = self.need("trace")
        if not trace.device_breakdown:
            raise Absent(NO_DEVICE_WORK)
        return [asdict(row) for row in getattr(trace, name)]

    @lazy
    def roofline(self) -> list[Row]:
        """Hot operators against what the hardware could do, most time first: name, module, basis (device or
        host), seconds_per_step, share, flops, bytes, intensity, dtype, attainable_flops_per_s,
        achieved_flops_per_s, achieved_bytes_per_s, efficiency (shortest possible time over the time taken),
        bound (compute, memory or launch). Operators whose FLOPs or bytes are unknown are left out.
        """
        from ..analyze.roofline import place

        trace = self.need("trace")
        limits = self._limits(trace)
        placed = (place(row, limits, trace.matrix_formats.get(row.name)) for row in trace.hotspots)
        return [asdict(row) for row in placed if row is not None]

    @lazy
    def mfu(self) -> Row:
        """Model FLOP/s over the peak of the format used: value, flops_per_step, flops_per_s,
        peak_flops_per_s, peak (which one, in words), dtype, counted_share (of matrix time whose FLOPs are
        known).
        """
        from ..analyze.roofline import mfu

        trace = self.need("trace")
        limits = self._limits(trace)
        share = trace.work.counted_share if trace.work else None
        if share is None or share < COUNTED_ENOUGH:
            raise Unavailable("the trace tells the FLOPs of too few matrix operators")
        found = mfu(trace.work, limits, trace.matrix_formats, self.need("step_s"))
        if found is None:
            raise Unavailable("no peak is known for the number format used")
        return asdict(found)

    def _limits(self, trace: Any) -> Any:
        if trace.limits is None and trace.device_breakdown:
            named = ", ".join(sorted(set(trace.device_names))) or "the device"
            raise Unavailable(f"{named} is not in the catalogue")
        if trace.limits is None:
            raise Unavailable(self.why("cpu_peaks"))
        return trace.limits

    # --- the hardware

    @lazy
    def device_spec(self) -> Row:
        """The catalogue's entry for the GPU: name, peak_flops {format: FLOP/s, dense}, bandwidth (bytes/s),
        memory_bytes, multiprocessors, power_w, source.
        """
        from ..hardware.catalog import match

        gpu = self.need("gpu")
        found = match(gpu.name)
        if found is None:
            raise Unavailable(f"{gpu.name} is not in the catalogue")
        return asdict(found)

    @lazy
    def cpu_peaks(self) -> Row:
        """What the processor was measured to do: fp32_flops, fp64_flops (per second), stream_bytes_per_s,
        crowded {interpreter, matrix: times as long beside busy cores}, threads, measured (date).
        """
        found = self.need("info").host.get("cpu_peaks")
        if not found:
            raise Unavailable("what the processor can do was not measured")
        return dict(found)

    @lazy
    def processor(self) -> DeviceSpec:
        """The host's processor as a device, from what was measured of it."""
        from ..hardware.catalog import DeviceSpec

        peaks = self.need("cpu_peaks")
        flops = {name: peaks[f"{name}_flops"] for name in ("fp32", "fp64", "bf16") if peaks.get(f"{name}_flops")}
        name = str(self.need("info").host.get("cpu") or "processor")
        return DeviceSpec(name=name, peak_flops=flops, bandwidth=peaks["stream_bytes_per_s"])

    # --- memory

    @lazy
    def memory(self) -> Row:
        """The peak and what held it: kind (device, host), peak_bytes, limit_bytes, limit (in words),
        used_share, parameters_bytes, gradients_bytes, optimizer_bytes, baseline_bytes (host: interpreter,
        libraries and data), activations_bytes (the rest), cache_bytes, reserved_bytes. None for what could
        not be told.
        """
        from ..analyze import memory, memory_samples

        parts = memory.held(self._known("model"), self._known("optimizer"))
        peaks = memory_samples.framework_peaks(self.need("lead"))
        if peaks:
            allocated, reserved = max(peaks.values())
            limit = (self._gpu_bytes(), "memory of the device")
            found = memory.account(
                kind="device", peak_bytes=allocated, reserved_bytes=reserved, limit=limit, parts=parts
            )
            return asdict(found)
        if self.need("host_memory").get("host_peak_bytes") is None:
            raise Unavailable(str(self.need("host_memory").get("reason") or "host memory was not sampled"))
        peak, before = self.need("host_memory")["host_peak_bytes"], self._rss_before_steps()
        return asdict(
            memory.account(
                kind="host", peak_bytes=peak, limit=self._host_limit(), parts=parts, before_steps_bytes=before
            )
        )

    def _gpu_bytes(self) -> int | None:
        gpu = self._known("gpu")
        return gpu.memory_bytes if gpu is not None else None

    def _host_limit(self) -> tuple[int | None, str]:
        host = self.need("info").host
        group, whole = host.get("cgroup_memory_bytes"), host.get("memory_bytes")
        if group and (not whole or group < whole):
            return int(group), "limit of the control group"
        return (int(whole), "memory of the machine") if whole else (None, "memory of the machine")

    def _rss_before_steps(self) -> int | None:
        """Resident size of the process when its first step began; None where no sample is near it."""
        from ..analyze import memory_samples

        steps = self._known("steps")
        times, values = memory_samples.process_rss(self.run, self.need("lead").pid)
        if steps is None or not len(times) or times[0] > steps["start_ns"][0]:
            return None
        return int(values[times <= steps["start_ns"][0]][-1])

    def _known(self, name: str) -> Any:
        """A fact of the whole Evidence, or None."""
        return getattr(self, name, None)

    @lazy
    def memory_growth(self) -> Row:
        """Growth over the steady steps: bytes_per_step, low, high, bytes_per_hour, explained (0-1, how much
        of the variation is the trend), grows (a trend that is sure, large enough and does not level off),
        grown_bytes, kind (device, host), steps. Of device and host the one that grows, or the host.
        """
        host, device = self._growth("host"), self._growth("device")
        found = device if device is not None and device.grows and not (host and host.grows) else host or device
        if found is None:
            raise Unavailable("too few memory samples in the steady steps")
        return asdict(found)

    def _growth(self, kind: Literal["host", "device"]) -> Any:
        from ..analyze import memory, memory_samples

        steps = self.need("steps")
        steady = steps.filter(steps["steady"])
        if steady.height < MIN_STEPS_TO_GROW:
            return None
        edges = steps["end_ns"].to_numpy()
        first, last = int(steady["step"][0]), int(steady["step"][-1])
        edges = edges[first : last + 1]
        if kind == "host":
            series = memory_samples.process_rss(self.run, self.need("lead").pid)
        else:
            gpu = self._known("gpu")
            series = memory_samples.device_used(self.run, gpu.index if gpu is not None else 0)
        at, values = memory_samples.at_steps(series, edges)
        return memory.growth(kind, at, values, step_s=float(self.need("step_s")))

    @lazy
    def fragmentation(self) -> float:
        """Share of the framework's reserved device memory that is not allocated at the peak."""
        memory = self.need("memory")
        if not memory["reserved_bytes"]:
            raise Unavailable("the framework reported no device memory")
        return float(memory["cache_bytes"] / memory["reserved_bytes"])

    @lazy
    def largest_batch(self) -> Row:
        """The largest batch that would fit: low, high, batch (now), basis (in words)."""
        from ..analyze import memory as analysis

        batch = self._batch()
        if (self.memory_growth or {}).get("grows"):
            raise Unavailable("memory grows from step to step: the peak says nothing about the batch")
        found = analysis.largest_batch(analysis.Memory(**self.need("memory")), batch)
        if found is None:
            raise Unavailable("what a sample takes, or what there is, is not known")
        return asdict(found)

    def _batch(self) -> int:
        """Samples that are in memory at once: of one micro-step."""
        headline = self.need("headline")
        samples = headline.get("samples_per_step")
        if not samples:
            raise Unavailable("the batch size is not known")
        per_micro_step = float(samples) / max(headline.get("micro_steps") or 1, 1)
        return max(1, round(per_micro_step))

    @lazy
    def out_of_memory(self) -> Row:
        """The process died for want of memory: kind (device, host), peak_bytes, limit_bytes, evidence (in
        words), exception (class, or None for a kill).
        """
        from ..analyze import memory_samples

        ended = next((line for line in memory_samples.endings(self.run) if line.get("memory")), None)
        info = self.need("info")
        if ended is not None:
            name = str(ended.get("exception"))
            on_device = "OutOfMemory" in name
            return self._died("device" if on_device else "host", f"the script ended with {name}", name)
        kills = info.host.get("oom_kills")
        if kills and info.status == "killed":
            return self._died("host", "the kernel killed it: its control group was out of memory", None)
        raise Absent("it did not die for want of memory")

    def _died(self, kind: str, evidence: str, name: str | None) -> Row:
        memory, host = self.memory or {}, self._known("host_memory") or {}
        same = memory.get("kind") == kind
        peak = memory.get("peak_bytes") if same else (host.get("host_peak_bytes") if kind == "host" else None)
        limit = self._gpu_bytes() if kind == "device" else self._host_limit()[0]
        return {"kind": kind, "peak_bytes": peak, "limit_bytes": limit, "evidence": evidence, "exception": name}
