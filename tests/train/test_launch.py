"""The configurations are what Accelerate's launcher understands, and say what they promise."""

import pytest

from mien.train.launch import CONFIGS, config_path

pytest.importorskip("accelerate")


def launched(name, *options):
    """The environment that `accelerate launch` gives to each process."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    wanted = ["--config_file", str(config_path(name)), "--num_processes", "8", *options, "train.py"]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(wanted))
    if args.use_deepspeed:
        args.deepspeed_fields_from_accelerate_config = ""
        return args, prepare_deepspeed_cmd_env(args)[1]
    return args, prepare_multi_gpu_env(args)


@pytest.mark.parametrize("name", CONFIGS)
def test_each_configuration_leaves_precision_and_processes_to_the_user(name):
    args, env = launched(name)
    assert args.num_processes == 8
    assert env["ACCELERATE_MIXED_PRECISION"] == "no"
    assert (args.multi_gpu, args.use_fsdp, args.use_deepspeed) == (
        name == "ddp",
        name == "fsdp2",
        name.startswith("zero"),
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_processes_have_no_default(name):
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    wanted = ["--config_file", str(config_path(name)), "train.py"]
    with pytest.raises(ValueError, match="num_processes"):
        _validate_launch_command(launch_command_parser().parse_args(wanted))


def test_fsdp2_shares_blocks_out_and_writes_whole_checkpoints():
    _, env = launched("fsdp2")
    assert env["ACCELERATE_USE_FSDP"] == "true"
    assert env["FSDP_VERSION"] == "2"
    assert env["FSDP_AUTO_WRAP_POLICY"] == "TRANSFORMER_BASED_WRAP"
    assert env["FSDP_RESHARD_AFTER_FORWARD"] == "true"
    assert env["FSDP_STATE_DICT_TYPE"] == "FULL_STATE_DICT"
    assert env["FSDP_ACTIVATION_CHECKPOINTING"] == "false"
    assert "FSDP_TRANSFORMER_CLS_TO_WRAP" not in env  # the model names its own


@pytest.mark.parametrize(("name", "stage"), [("zero2", "2"), ("zero3", "3")])
def test_deepspeed_takes_its_numbers_from_the_recipe(name, stage):
    _, env = launched(name)
    assert env["ACCELERATE_USE_DEEPSPEED"] == "true"
    assert env["ACCELERATE_DEEPSPEED_ZERO_STAGE"] == stage
    assert env["ACCELERATE_GRADIENT_ACCUMULATION_STEPS"] == "auto"
    assert env["ACCELERATE_GRADIENT_CLIPPING"] == "auto"
    assert env["ACCELERATE_DEEPSPEED_ZERO3_INIT"] == "false"


def test_two_machines_are_a_matter_of_options():
    options = ("--num_machines", "2", "--machine_rank", "1", "--main_process_ip", "10.0.0.1")
    args, _ = launched("ddp", *options)
    assert (args.num_machines, args.machine_rank) == (2, 1)
    assert (args.nnodes, args.nproc_per_node, args.node_rank) == ("2", "4", 1)
    assert args.rdzv_endpoint == "10.0.0.1:29500"


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(ValueError, match="take one of ddp, fsdp2, zero2, zero3"):
        config_path("fsdp")
