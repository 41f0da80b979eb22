# shellcheck shell=bash
eval "$(holdfast completion bash)"
