"""What one line says, in the formats that people meet."""

import math

import pytest

CASES = [
    # nanoGPT
    ("iter 10: loss 2.3017, time 12.30ms, mfu 5.00%", {"train/loss": 2.3017, "perf/step_time_s": 0.0123, "train/mfu": 0.05}, 10, None),
    ("step 250: train loss 2.1000, val loss 2.2000", {"train/loss": 2.1, "val/loss": 2.2}, 250, None),
    # makemore
    ("step 10 | loss 3.4320 | step time 8.90ms", {"train/loss": 3.432, "perf/step_time_s": 0.0089}, 10, None),
    ("step 500 train loss: 2.5 test loss: 2.75", {"train/loss": 2.5, "test/loss": 2.75}, 500, None),
    # pytorch/examples
    ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 1.200000", {"train/loss": 1.2}, 640, 1),
    ("Test set: Average loss: 0.7804, Accuracy: 294/300 (98%)", {"test/loss": 0.7804, "test/accuracy": 0.98}, None, None),
    ("| epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 12.50 | loss  6.50 | ppl   665.14",
     {"train/learning_rate": 20.0, "perf/step_time_s": 0.0125, "train/loss": 6.5, "train/perplexity": 665.14}, 200, 1),
    ("| end of epoch   1 | time:  5.25s | valid loss  5.50 | valid ppl   244.69",
     {"perf/epoch_time_s": 5.25, "val/loss": 5.5, "val/perplexity": 244.69}, None, 1),
    ("Epoch: [0][  10/5005]\tTime  0.250 ( 0.300)\tData  0.001 ( 0.020)\tLoss 6.9e+00 (7.0e+00)\tAcc@1   0.50 (  0.25)",
     {"perf/step_time_s": 0.25, "perf/data_time_s": 0.001, "train/loss": 6.9, "train/acc@1": 0.5}, 10, 0),
    ("====> Epoch: 3 Average loss: 104.5", {"train/loss": 104.5}, None, 3),
    # tutorials
    ("Epoch [1/5], Step [100/600], Loss: 0.3000", {"train/loss": 0.3}, 100, 1),
    ("Epoch [1/200], Step[200/300], d_loss: 0.5, g_loss: 2.5, D(x): 0.90, D(G(z)): 0.10",
     {"train/d_loss": 0.5, "train/g_loss": 2.5, "train/d(x)": 0.9, "train/d(g(z))": 0.1}, 200, 1),
    ("Accuracy of the network on the 10000 test images: 97.5 %", {"test/accuracy": 0.975}, None, None),
    # DCGAN, PyTorch-GAN
    ("[3/25][100/1583] Loss_D: 0.4 Loss_G: 3.1 D(x): 0.8 D(G(z)): 0.2 / 0.1",
     {"train/loss_d": 0.4, "train/loss_g": 3.1, "train/d(x)": 0.8, "train/d(g(z))": 0.2}, 100, 3),
    ("[Epoch 3/200] [Batch 100/938] [D loss: 0.25] [G loss: 1.50]", {"train/d_loss": 0.25, "train/g_loss": 1.5}, 100, 3),
    # Keras
    ("38/38 - 1s - 38ms/step - accuracy: 0.9000 - loss: 0.5000 - val_accuracy: 0.8000 - val_loss: 0.6000",
     {"perf/step_time_s": 0.038, "train/accuracy": 0.9, "train/loss": 0.5, "val/accuracy": 0.8, "val/loss": 0.6}, 38, None),
    ("120/120 ━━━━━━━━━━━━━━━━━━━━ 2s 15ms/step - accuracy: 0.98 - loss: 0.05 - val_loss: 0.07",
     {"perf/step_time_s": 0.015, "train/accuracy": 0.98, "train/loss": 0.05, "val/loss": 0.07}, 120, None),
    ("120/120 [==============================] - 2s 15ms/step - loss: 0.05", {"perf/step_time_s": 0.015, "train/loss": 0.05}, 120, None),
    # Hugging Face's Trainer, of both generations
    ("{'loss': 0.5, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 1.0}",
     {"train/loss": 0.5, "train/grad_norm": 1.25, "train/learning_rate": 5e-05}, None, 1),
    ("{'eval_loss': '0.4', 'eval_accuracy': '0.9', 'eval_runtime': '1.2', 'epoch': '2'}", {"val/loss": 0.4, "val/accuracy": 0.9}, None, 2),
    # tqdm
    ("Epoch 2:  50%|█████     | 20/40 [00:01<00:01, 20.00it/s, loss=0.25, acc=0.5]",
     {"perf/step_time_s": 0.05, "train/loss": 0.25, "train/accuracy": 0.5}, 20, 2),
    ("Epoch 0: 100%|██████████| 12/12 [00:06<00:00,  2.00s/it, v_num=0, train_loss=0.3]",
     {"perf/step_time_s": 2.0, "train/v_num": 0.0, "train/loss": 0.3}, 12, 0),
    # fairseq
    ("2026-01-02 03:04:05 | INFO | train | epoch 001 | loss 8.1 | ppl 150 | wps 1000 | ups 2 | lr 0.0005 | gnorm 1.25",
     {"train/loss": 8.1, "train/perplexity": 150.0, "perf/tokens_per_s": 1000.0, "perf/step_time_s": 0.5, "train/learning_rate": 0.0005,
      "train/grad_norm": 1.25}, None, 1),
    ("2026-01-02 03:04:05 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 7.5 | ppl 120",
     {"val/loss": 7.5, "val/perplexity": 120.0}, None, 1),
    # JSON and key=value
    ('{"step": 10, "train": {"loss": 0.5}, "lr": 0.1}', {"train/loss": 0.5, "train/learning_rate": 0.1}, 10, None),
    ('{"step": 10, "loss": NaN}', {"train/loss": math.nan}, 10, None),
    ("2026-01-02 03:04:05,678 - train - INFO - epoch=1 train_loss=0.5 val_loss=0.75 lr=1.00e-02",
     {"train/loss": 0.5, "val/loss": 0.75, "train/learning_rate": 0.01}, None, 1),
    ("INFO:root:step=3 loss=tensor(0.5, device='cuda:0')", {"train/loss": 0.5}, 3, None),
    ("step: 7, loss: -0.5, elbo: -120.5", {"train/loss": -0.5, "train/elbo": -120.5}, 7, None),
    ("step 5: loss nan", {"train/loss": math.nan}, 5, None),
    ("step 5: loss inf, lr 0.1", {"train/loss": math.inf, "train/learning_rate": 0.1}, 5, None),
    ("step 12,288: loss 2.5", {"train/loss": 2.5}, 12288, None),
    ("step 100 loss 0.5 1234.5 tok/s", {"train/loss": 0.5, "perf/tokens_per_s": 1234.5}, 100, None),
    ("epoch 1: 350.5 img/s, loss 0.5", {"perf/samples_per_s": 350.5, "train/loss": 0.5}, None, 1),
    ("epoch 2 step 30 loss 0.5 gpu_mem: 2.5GB", {"train/loss": 0.5, "system/device_memory_bytes": 2.5e9}, 30, 2),
    ("epoch 2 step 30 loss 0.5 max mem: 512 MiB", {"train/loss": 0.5, "system/device_memory_bytes": 512 * 2**20}, 30, 2),
    ("step 3: loss 0.5, 2.5s/it", {"train/loss": 0.5, "perf/step_time_s": 2.5}, 3, None),
    ("validation: loss=0.3, accuracy=91.5%", {"val/loss": 0.3, "val/accuracy": 0.915}, None, None),
    ("[100]\ttrain-rmse:0.125\teval-rmse:0.25", {"train/rmse": 0.125, "val/rmse": 0.25}, 100, None),
    ("[100]\tvalid_0's l2: 0.125\tvalid_0's auc: 0.5", {"val/l2": 0.125, "val/auc": 0.5}, 100, None),
    ("Epoch 1 done. Loss=0.5 Acc=0.75", {"train/loss": 0.5, "train/accuracy": 0.75}, None, 1),
    ("step 3: loss 0.5, tokens/s: 12.5k", {"train/loss": 0.5, "perf/tokens_per_s": 12_500.0}, 3, None),
    ("Loss/train: 0.5, step 4", {"train/loss": 0.5}, 4, None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "values", "step", "epoch"), CASES, ids=[case[0][:40] for case in CASES])
def test_a_line_says(read, line, values, step, epoch):
    record = read(line + "\n").records[-1]
    assert record.kind == "train"
    assert record.values == pytest.approx(values, nan_ok=True)
    assert (record.step, record.epoch) == (step, epoch)


@pytest.mark.parametrize(
    ("line", "params"),
    [
        ("Namespace(batch_size=64, lr=1.0, no_accel=False, data='/tmp/x')", {"batch_size": 64, "lr": 1.0, "no_accel": "False", "data": "/tmp/x"}),
        ("{'input_file': 'names.txt', 'n_layer': 4, 'resume': False, 'weight_decay': 0.01}",
         {"input_file": "names.txt", "n_layer": 4, "resume": "False", "weight_decay": 0.01}),
        ("Overriding: batch_size = 12", {"batch_size": 12}),
        ("learning_rate = 1e-3 # with baby networks", {"learning_rate": 0.001}),
        ("number of parameters: 0.80M", {"number of parameters": 800_000}),
        (" Total params: 2,410 (9.41 KB)", {"Total params": 2410}),
        ("INFO:root:batch_size=32 seed=7 dtype=bfloat16", {"batch_size": 32, "seed": 7, "dtype": "bfloat16"}),
        ("dataset determined that: vocab_size=27, block_size=16", {"vocab_size": 27, "block_size": 16}),
    ],
)  # fmt: skip
def test_settings_are_parameters_and_no_metrics(read, line, params):
    analysis = read(line + "\n")
    assert analysis.records[0].kind == "param"
    assert analysis.records[0].values == params
    assert analysis.facts.params == params
    assert not analysis.series


@pytest.mark.parametrize(
    ("line", "event", "level"),
    [
        ("Epoch 2: val_loss improved from 2.11035 to 1.74917, saving model to out/best.keras", "checkpoint", "info"),
        ("Epoch 5: early stopping", "early_stop", "info"),
        ("Epoch 5: ReduceLROnPlateau reducing learning rate to 0.0001.", "learning_rate", "info"),
        ("saving checkpoint to out-shakespeare-char", "checkpoint", "info"),
        ("Using device: cpu", "device", "info"),
        ("2026-01-02 03:04:05.678901: W tensorflow/core/x.cc:21] Could not find cuda drivers", "device", "warning"),
        ("[rank0]:[W1127 13:30:30.123 a.cpp:12] Warning: using GPU 0", "device", "warning"),
        ("RuntimeError: CUDA error: device-side assert triggered", "device", "critical"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "out_of_memory", "critical"),
        ("Segmentation fault (core dumped)", "", "critical"),
        ("a/b.py:3: UserWarning: lr_scheduler.step() before optimizer.step()", "warning", "warning"),
        ("2026-01-02 03:04:05,678 - train - ERROR - worker 3 gave up", "", "error"),
    ],
)
def test_what_happened_is_a_runtime_record(read, line, event, level):
    record = read(line + "\n").records[0]
    assert (record.kind, record.event, record.level) == ("runtime", event, level)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('INFO:     127.0.0.1:54321 - "POST /predict HTTP/1.1" 200 OK', {}),
        ("request id=7 latency_ms=12.5 status=200", {"perf/latency_s": 0.0125}),
        ('{"time": "2026-01-02T03:04:05Z", "request": "a1", "latency_ms": 40}', {"perf/latency_s": 0.04}),
    ],
)
def test_requests_are_predictions(read, line, values):
    record = read(line + "\n").records[0]
    assert record.kind == "predict"
    assert {name: v for name, v in record.values.items() if "latency" in name} == pytest.approx(values)


@pytest.mark.parametrize(
    "line",
    [
        "the quick brown fox",
        "I saw 12 birds in 3 trees",
        "# good for debugging",
        "[0.26, 0.99]",
        "a 1.5 b 2.5",
        "lorem: ipsum",
    ],
)
def test_what_is_not_understood_is_not_made_up(read, line):
    analysis = read(line + "\n")
    assert analysis.counts["unknown"] == 1
    assert not analysis.series
    assert not analysis.records


def test_epochs_are_carried_to_the_lines_below(read):
    analysis = read("Epoch 1/3\n10/10 - 1s - 5ms/step - loss: 2.0\nEpoch 2/3\n10/10 - 1s - 5ms/step - loss: 1.0\n")
    series = analysis.history.series("train/loss")
    assert series.epochs.tolist() == [1, 2]
    assert series.steps.tolist() == [10, 20]


def test_a_heading_says_of_which_split_the_next_line_is(read):
    analysis = read(
        "loss: 2.5  [ 6400/60000]\nTest Error: \n Accuracy: 45.0%, Avg loss: 2.25 \nloss: 2.0  [12800/60000]\n"
    )
    assert analysis.history["train/loss"].tolist() == [2.5, 2.0]
    assert analysis.history["test/accuracy"].tolist() == [0.45]
    assert analysis.history["test/loss"].tolist() == [2.25]
    assert analysis.facts.levels["error"] == 0


def test_what_keras_prints_without_an_epoch_is_an_evaluation(read):
    analysis = read("Epoch 1/1\n10/10 - 1s - 5ms/step - loss: 2.0\n3/3 - 0s - 5ms/step - loss: 1.5\n")
    assert analysis.history["train/loss"].tolist() == [2.0]
    assert analysis.history["test/loss"].tolist() == [1.5]
    assert analysis.history.series("test/loss").steps.tolist() == [10]


def test_ratios_that_are_printed_in_percent_are_ratios(read):
    analysis = read("step 1: accuracy: 0.5\nstep 2: accuracy: 91.5\n")
    assert analysis.history["accuracy"].tolist() == pytest.approx([0.005, 0.915])


def test_a_line_that_two_handlers_print_is_one_measurement(read):
    analysis = read("step 1: loss 0.5\nstep 1: loss 0.5\nstep 2: loss 0.5\nloss: 0.5\nloss: 0.5\n")
    assert len(analysis.history.series("train/loss")) == 4
    assert analysis.facts.repeated_metrics == 1
    assert analysis.counts["duplicate"] == 1


def test_repeats_are_counted_and_not_kept(read):
    analysis = read("saving checkpoint to out\n" * 5 + "something else\n" * 3)
    assert analysis.counts["duplicate"] == 4
    assert analysis.facts.repeats == 6
    assert len(analysis.records) == 1


def test_what_is_missing_is_no_value(read):
    analysis = read("step 1: loss 0.5, val_loss: None\n" + '{"step": 2, "loss": null, "lr": 0.1}\n')
    assert "val/loss" not in analysis.history
    assert analysis.missing == 2


@pytest.mark.parametrize(
    ("last", "expected"), [("1767323045", 1767323045 * 10**9), ("1767323045678", 1767323045678 * 10**6), ('"2026-01-02T03:04:05Z"', 1767323045 * 10**9)]
)  # fmt: skip
def test_the_time_of_a_json_line_is_its_field(read, last, expected):
    record = read(f'{{"ts": {last}, "step": 3, "loss": 0.5}}\n').records[0]
    assert record.time_ns == expected
    assert record.values == {"train/loss": 0.5}


def test_bars_keep_one_state_per_percent(read):
    bar = "".join(f"\r{n // 2:3d}%|█| {n}/200 [00:01<00:01, 9.0it/s, loss={n}]" for n in range(201))
    analysis = read(bar + "\n")
    series = analysis.history.series("train/loss")
    assert len(series) == 101
    assert series.values[-1] == 200
    assert analysis.sources[0].redraws == 200


def test_of_a_keras_bar_the_final_state_is_kept(read):
    bar = "".join(f"\r{n}/10 ━━━━━━━━ 0s 5ms/step - loss: {20 - n}" for n in range(1, 11))
    analysis = read(f"Epoch 1/2{bar}\nEpoch 2/2\n1/10 ━━ 0s 5ms/step - loss: 3.0\n")
    assert analysis.history["train/loss"].tolist() == [10.0]


def test_rows_under_a_header_are_points(read):
    analysis = read("epoch,accuracy,loss,val_loss\n0,0.5,1.25,NA\n1,0.75,0.5,0.75\n")
    assert analysis.history["loss"].tolist() == [1.25, 0.5]
    assert analysis.history["val/loss"].tolist() == [0.75]
    assert analysis.history.series("loss").epochs.tolist() == [0, 1]
    assert analysis.sources[0].kind == "csv"


def test_a_changed_header_begins_another_table(read):
    analysis = read("epoch,loss\n0,1.5\nepoch,lr,loss\n0,0.1,1.25\n1,0.1,100\n")
    assert analysis.history["loss"].tolist() == [1.5, 1.25, 100]
    assert analysis.history["lr"].tolist() == [0.1, 0.1]


def test_a_row_of_another_width_is_refused(read):
    analysis = read("epoch,loss\n0,1.5\n1,0.1,1.25\n2,1.0\n")
    assert analysis.history["loss"].tolist() == [1.5]
    assert analysis.counts["unknown"] == 2
