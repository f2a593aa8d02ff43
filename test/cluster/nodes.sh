#!/bin/bash
# Builds a small cluster out of namespaces and holds it until standard input closes.
#
#   unshare --net --uts --mount --pid --fork --kill-child --propagation private \
#     bash nodes.sh login NODES SHM_OPTIONS
#
# Everything hangs below one process, the init of the login node's PID namespace: when it goes, for
# whatever reason (its owner closes the pipe or is killed), the kernel ends every process of the
# cluster, and with them go the nodes' own namespaces, mounts and links. Nothing is ever
# made outside, so nothing can be left behind and any number of clusters can be up at once.
#
# Login node: 10.77.0.254 on the bridge br0; runs mpirun, knows the nodes' PIDs in /run/cluster.
# Node i:     10.77.0.i on eth0, host name nid00i, own /proc, /dev/shm and /run.
set -euo pipefail

role=$1

node_name() { printf 'nid%03d' "$1"; }

if [[ $role == node ]]; then
  number=$2 shm_options=$3
  # The PID as the login node sees it: this is still the login node's /proc.
  read -r pid _ </proc/self/stat
  exec 3>"/run/cluster/$(node_name "$number").pid.new"
  hostname "$(node_name "$number")"
  mount -t proc proc /proc
  mount -t tmpfs -o "mode=1777,nosuid,nodev,$shm_options" tmpfs /dev/shm
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
  echo "$pid" >&3
  exec 3>&-
  # Not `exec sleep`: as init of the node this shell has to reap orphans.
  while :; do sleep infinity; done
fi

nodes=$2 shm_options=$3
mount -t proc proc /proc
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mount -t tmpfs -o "mode=1777,nosuid,nodev,$shm_options" tmpfs /dev/shm
mkdir /run/cluster
hostname login

{
  echo '127.0.0.1 localhost'
  echo '10.77.0.254 login'
  for ((i = 1; i <= nodes; i++)); do echo "10.77.0.$i $(node_name "$i")"; done
} >/run/cluster/hosts
mount --bind /run/cluster/hosts /etc/hosts

ip link set lo up
ip link add br0 type bridge
ip address add 10.77.0.254/24 dev br0
ip link set br0 up

for ((i = 1; i <= nodes; i++)); do
  unshare --net --uts --mount --pid --fork --kill-child --propagation private \
    bash "$0" node "$i" "$shm_options" </dev/null &
done

for ((i = 1; i <= nodes; i++)); do
  name=$(node_name "$i")
  file=/run/cluster/$name.pid
  tries=0
  until [[ -s $file.new ]]; do
    if ((++tries > 1000)); then
      echo "node $name did not start" >&2
      exit 1
    fi
    sleep 0.01
  done
  mv "$file.new" "$file"
  pid=$(<"$file")
  ip link add "to-$name" type veth peer name eth0 netns "$pid"
  ip link set "to-$name" master br0 up
  nsenter --target "$pid" --net ip -batch - <<BATCH
link set lo up
address add 10.77.0.$i/24 dev eth0
link set eth0 up
BATCH
  echo "node $name $pid"
done
echo ready

# `read` keeps this shell able to reap orphans, and ends when the owner's pipe closes.
while read -r _; do :; done
