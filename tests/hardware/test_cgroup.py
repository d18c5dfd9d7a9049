"""Limits from recorded trees of control groups; the real machine's are whatever they are."""

import pytest

from perfkit.hardware.cgroup import limits, oom_kills


@pytest.fixture
def tree(tmp_path):
    def make(groups, **files):
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cgroup").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "sys" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return limits(proc=tmp_path / "proc", root=tmp_path / "sys")

    return make


def test_version_2_takes_the_tightest_limit_on_the_way_up(tree):
    found = tree(
        "0::/kube/pod\n",
        cgroup_dot_controllers="cpu memory\n",
        kube__cpu_dot_max="150000 100000\n",
        kube__pod__cpu_dot_max="max 100000\n",
        kube__pod__memory_dot_max="1073741824\n",
        kube__memory_dot_max="max\n",
    )
    assert (found.cpus, found.memory_bytes, found.version) == (1.5, 2**30, 2)


def test_version_2_inside_a_container_has_its_limits_at_the_root(tree):
    found = tree("0::/\n", cgroup_dot_controllers="cpu", cpu_dot_max="50000 100000", memory_dot_max="max")
    assert (found.cpus, found.memory_bytes) == (0.5, None)


def test_version_1_reads_each_controllers_own_tree(tree):
    found = tree(
        "4:memory:/job\n3:cpu,cpuacct:/job\n0::/\n",
        cpu__job__cpu_dot_cfs_quota_us="200000",
        cpu__job__cpu_dot_cfs_period_us="100000",
        cpu__cpu_dot_cfs_quota_us="-1",
        memory__job__memory_dot_limit_in_bytes="536870912",
        memory__memory_dot_limit_in_bytes="9223372036854771712",
    )
    assert (found.cpus, found.memory_bytes, found.version) == (2.0, 2**29, 1)


def test_no_limits_and_no_groups_at_all(tree, tmp_path):
    assert tree("0::/x\n", x__cpu_dot_max="max 100000", cgroup_dot_controllers="").cpus is None
    assert limits(proc=tmp_path / "nowhere", root=tmp_path / "nowhere").version is None


def test_kills_for_want_of_memory_are_counted_in_either_version(tmp_path):
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    proc.mkdir()
    (proc / "cgroup").write_text("4:memory:/job\n0::/\n")
    (root / "memory" / "job").mkdir(parents=True)
    assert oom_kills(proc=proc, root=root) is None
    (root / "memory" / "job" / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert oom_kills(proc=proc, root=root) == 2
    (proc / "cgroup").write_text("0::/pod\n")
    (root / "pod").mkdir()
    (root / "pod" / "memory.events").write_text("low 0\nhigh 0\nmax 17\noom 3\noom_kill 3\noom_group_kill 0\n")
    assert oom_kills(proc=proc, root=root) == 3
