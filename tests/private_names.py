"""The private names of Keras, TensorFlow and KerasTuner that coursekit stands on.

They are no promise of theirs: an upgrade may break what uses them, so they stand here, with the
versions they were tried with, and `test_private_names.py` holds them against what is installed, and
coursekit against them. Whoever needs another one adds it here, and thinks twice.
"""

TRIED = {
    "keras": ["3.13.2", "3.15.1"],
    "tensorflow": ["2.20.0", "2.21.0"],
    "keras-tuner": ["1.4.8"],
}

NAMES = {  # by what has them
    "layer": [
        "_flatten_layers", "_call_has_training_arg", "_losses", "_layers", "_inbound_nodes",
        "_tracker", "_path", "_metrics", "_seed_generators",
    ],
    "model": [
        "_compile_config", "_compile_loss", "_compile_metrics", "_loss_tracker", "_compute_loss",
        "_symbolic_build", "_inputs_struct", "_outputs_struct", "_nodes", "_nodes_by_depth",
        "_operations",
    ],
    "compiled loss": ["_user_loss", "_flat_losses"],
    "compiled metrics": [
        "_flat_metrics", "_flat_weighted_metrics", "_user_metrics", "_user_weighted_metrics",
    ],
    "loss": ["_fn_kwargs"],
    "metric": ["_fn"],
    "optimizer": [
        "_accumulated_gradients", "_apply_weight_decay", "_backend_apply_gradients",
        "_backend_increment_gradient_accumulators", "_backend_reset_gradient_accumulators",
        "_backend_update_step", "_clip_gradients", "_distribution_strategy", "_get_variable_index",
        "_iterations", "_learning_rate", "_overwrite_model_variables_with_average_value",
        "_trainable_variables", "_update_model_variables_moving_average", "_use_weight_decay",
        "_var_key", "_variables",
    ],
    "variable": ["_autocast", "_value"],
    "initializer": ["_init_seed"],
    "seed generator": ["_initial_seed"],
    "tensor": ["_keras_history"],
    "oracle": ["_get_oracle_fname", "_get_trial_dir", "_retry_queue", "_save_trial"],
    "grid oracle": ["_compare", "_ordered_ids", "_populate_next"],
    "replica context": ["_replica_id"],
    "graph": [
        "_distribution_strategy_stack", "_global_distribute_strategy_scope",
        "_variable_creator_stack",
    ],
    "session": ["_make_callable_from_options"],
    "eager context": ["_set_device", "_rng", "_seed"],
}  # fmt: skip

MODULES = [
    "keras.src.backend",
    "keras.src.backend.common",
    "keras_tuner.src",
    "keras_tuner.src.distribute",
    "keras_tuner.src.distribute.oracle_chief",
]

# On what cannot be had here so easily: a tensor with a mask, a scorer of scikit-learn, an optimizer
# of several, a strategy of several devices, the callback of an average. Each has a test beside
# its use.
ELSEWHERE = [
    "_keras_mask", "_keras_logits", "_score_func", "_inner_optimizers", "_collective_key_base",
    "_collective_ops", "_cross_device_ops", "_finalize_ema_values",
    "_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern",
    # the state of Keras's callbacks, what a fit that was interrupted leaves, TensorFlow's datasets:
    # tests/training/test_resume.py
    "_model", "_batches_seen_since_last_saving", "_last_batch_seen", "_current_epoch",
    "_ema_weights_in_model", "_global_train_batch", "_global_test_batch", "_eval_epoch_iterator",
    "_jax_state", "_ShuffleDataset", "_RandomDataset", "_inputs", "_seed2",
    "_reshuffle_each_iteration", "_primary",
    # how many workers a pool has: tests/validation/test_executor.py
    "_max_workers",
]  # fmt: skip
