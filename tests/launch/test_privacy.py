import os
import subprocess

import pytest

from perfkit.launch.privacy import ENVIRONMENT, MASK, is_secret_name, mask_command, mask_text, recorded_environment

SECRETS = {
    "option": "plainsecret-one",
    "equals": "plainsecret-two",
    "override": "plainsecret-three",
    "hugging_face": "hf_AbCdEfGhIjKlMnOpQrStUvWx",
    "openai": "sk-proj-AbCdEfGhIjKlMnOpQrSt",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123",
    "wandb": "0123456789abcdef0123456789abcdef01234567",
    "password": "plainsecret-four",
    "parameter": "plainsecret-five",
    "remote": "plainsecret-six",
    "environment": "plainsecret-seven",
}


@pytest.mark.parametrize(
    "name",
    ["--api-key", "api_key", "--wandb-token", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "--password", "dbPassword", "auth"],
)
def test_names_of_secrets_are_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["--tokenizer", "--max-tokens", "--pad-token", "--num_key_value_heads", "--author", "--sort-key", "--keys", "--lr"],
)
def test_ordinary_names_keep_their_values(name):
    assert not is_secret_name(name)
    assert mask_command([name, "value"]) == [name, "value"]


def test_values_of_secret_options_are_masked_in_each_way_of_writing_them():
    typed = ["--api-key", "x1", "--token=x2", "key.password:x3", "trainer.api_key=x4", "-lr", "0.1", "--auth", "--fast"]
    assert mask_command(typed) == [
        "--api-key", MASK, f"--token={MASK}", f"key.password:{MASK}", f"trainer.api_key={MASK}", "-lr", "0.1",
        "--auth", "--fast",
    ]  # fmt: skip


def test_credentials_are_known_by_their_shape_wherever_they_stand():
    for name in ("hugging_face", "openai", "aws", "github", "wandb"):
        assert SECRETS[name] not in mask_text(f"run-{SECRETS[name]},end")


def test_urls_lose_their_user_and_their_secret_parameters():
    assert mask_text("https://me:pw@host/x?token=abc&page=2") == f"https://{MASK}@host/x?token={MASK}&page=2"
    assert mask_text("s3://bucket/key?X-Amz-Signature=abc") == f"s3://bucket/key?X-Amz-Signature={MASK}"
    assert mask_text("git@github.com:who/what.git") == "git@github.com:who/what.git"


def test_ordinary_words_are_left_alone():
    for word in ("train.py", "--data=/mnt/sk/imagenet", "runs/hf_cache", "model.layers.0", "1e-4", "task-1", "a=b"):
        assert mask_command([word]) == [word]


def test_only_listed_variables_are_recorded_each_with_its_reason():
    found = recorded_environment({"OMP_NUM_THREADS": "2", "HF_TOKEN": "x", "HOME": "/root", "PATH": "/bin"})
    assert found == {"OMP_NUM_THREADS": "2"}
    assert all(ENVIRONMENT.values())
    assert not any(is_secret_name(name) for name in ENVIRONMENT)


def test_no_planted_secret_reaches_any_file_of_a_real_run(supervised):
    folder, s = supervised.folder, SECRETS
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    remote = f"https://user:{s['remote']}@example.org/x.git"
    subprocess.run(["git", "-C", str(folder), "remote", "add", "origin", remote], check=True)
    (folder / "f").touch()
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "f"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    words = [
        "--api-key", s["option"], f"--token={s['equals']}", f"logger.api_key={s['override']}", s["hugging_face"],
        s["openai"], s["aws"], f"--url=https://a:{s['password']}@h/?token={s['parameter']}", s["github"],
        "--wandb", s["wandb"],
    ]  # fmt: skip
    environ = {**os.environ, "HF_TOKEN": s["environment"], "OMP_NUM_THREADS": "1"}
    supervised.run("import time; time.sleep(1.5)", *words, stacks=True, env=environ)
    run = supervised.recorded
    assert run.info.git["remote"] == f"https://{MASK}@example.org/x.git"
    assert supervised.collector("stacks").state == "on"
    files = [path for path in supervised.root.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        content = path.read_text(errors="replace")
        leaked = [name for name, secret in SECRETS.items() if secret in content]
        assert not leaked, f"{path.name} holds {leaked}"
