#!/bin/sh
# A worker: takes what is ready until nothing is left, gives signs of life, reports how each piece of work ended.
# usage: worker.sh NAME

# The work: what it found out it prints as JSON. Whatever goes wrong it says on standard error.
visit() {
    case $PHASELOG_ITEM in
        *Mockup*) echo "the listing site said 404" >&2; return 1 ;;
    esac
    echo "{\"$PHASELOG_PHASE\": {\"price\": 650000, \"score\": 0.90}}"
}

scratch=$(mktemp -d) || exit
trap 'rm -rf "$scratch"' EXIT

# --pid: should this shell die, its work is handed back at once.
while job=$(phaselog claim --wait --export --worker "$1" --pid $$); do
    eval "$job"
    # A sign of life each minute; without one for 30 minutes the work goes to somebody else.
    (while sleep 60; do phaselog heartbeat || break; done) >"$scratch/beats" 2>&1 &
    if visit >"$scratch/found" 2>"$scratch/error"; then
        # That the phase is done and what was found out are one record.
        phaselog complete -q --enrich "@$scratch/found"
    else
        phaselog fail -q --error "@$scratch/error"
    fi
    kill $!
done 2>"$scratch/log"
