#!/usr/bin/env bash
# A machine in namespaces, to be sourced: a real systemd as process 1, on a copy of this host's root, in a network
# namespace that is given. Nothing of it stays, and nothing of this host is changed by it.
#
#   vm_world COMMAND...     runs the command in a world of its own, where it may boot a machine. All that it starts,
#                           mounts or connects ends with it. In there:
#   vm_boot NAMESPACE       boots, in the network namespace /run/netns/NAMESPACE; after a vm_shutdown with the same disk
#   in_vm COMMAND...        runs a command in the machine
#   vm_shutdown             as pressing the button: systemd stops the units
#   vm_changed_files        what is on the machine's disk, or was removed from it, since before the first boot
#   ok TEXT, within SECONDS TEXT COMMAND...   a check that holds; the command succeeds in that time
#   $vm_disk                the machine's root, without what is mounted in it

vm_disk=''
vm_file=${BASH_SOURCE[0]}
vm_environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root)

# The control groups of version 2 from their root on, wherever this host has them, seen by the command alone.
vm_in_cgroups() {
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount --propagation private -- sh -c 'mount -t cgroup2 cgroup2 "$0" && cd "$0" && "$@"' "$@"
}

# The world's control group lasts longer than its processes, so it is removed from outside.
vm_world() {
    local VM_SCRATCH status=0
    VM_SCRATCH=$(mktemp -d)
    export VM_SCRATCH VM_CGROUP=l4lb-vm-$$
    vm_in_cgroups "$VM_SCRATCH" mkdir "$VM_CGROUP"
    unshare --mount --propagation private --net --ipc --pid --fork --kill-child --mount-proc -- \
        bash "$vm_file" world "$@" || status=$?
    vm_in_cgroups "$VM_SCRATCH" find "$VM_CGROUP" -depth -type d -exec rmdir {} + || status=1
    rmdir "$VM_SCRATCH" || status=1
    return "$status"
}

# As process 1 of the world. Its /run is its own, so that names of network namespaces are.
vm_in_world() {
    mount -t tmpfs -o mode=0755 tmpfs "$VM_SCRATCH"
    mount -t tmpfs -o mode=0755 tmpfs /run
    mkdir "$VM_SCRATCH"/{cgroup,tmp}
    mount -t cgroup2 cgroup2 "$VM_SCRATCH/cgroup"
    ip link set lo up
    TMPDIR=$VM_SCRATCH/tmp "$@"
}

# The units that this host starts make no sense here; systemd gets those that it needs itself.
vm_make_disk() {
    local unit units=lib/systemd/system
    vm_disk=$VM_SCRATCH/disk
    mkdir "$VM_SCRATCH"/{upper,work,disk}
    mount -t overlay overlay -o "lowerdir=/,upperdir=$VM_SCRATCH/upper,workdir=$VM_SCRATCH/work" "$vm_disk"
    (
        cd "$vm_disk"
        rm -rf "$units"/*.wants etc/systemd/{system,user,journald.conf.d,system.conf.d} etc/fstab usr/sbin/policy-rc.d
        mkdir -p etc/systemd/{system,journald.conf.d} "$units"/{sockets,sysinit}.target.wants
        for unit in systemd-journald.socket systemd-journald-dev-log.socket; do
            ln -s "../$unit" "$units/sockets.target.wants/$unit"
        done
        ln -s ../systemd-journald.service "$units/sysinit.target.wants/systemd-journald.service"
        printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n' >etc/systemd/journald.conf.d/vm.conf
        # An empty one would make this a first boot, which enables all units.
        tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
        echo l4lb-vm >etc/hostname
    )
    vm_files >"$VM_SCRATCH/files"
}

# A folder is copied as soon as something in it changes; a file that was removed is a character device.
vm_files() {
    local path
    (cd "$VM_SCRATCH/upper" && find . -mindepth 1 ! -path './var/cache/man*') | while read -r path; do
        if [[ ! -d $VM_SCRATCH/upper/$path || ! -d /$path ]]; then echo "$path"; fi
    done | LC_ALL=C sort
}

vm_changed_files() { vm_files | LC_ALL=C comm -13 "$VM_SCRATCH/files" -; }

# Becomes systemd. /proc/sys and /sys are this host's, so it may only read them, but for the network's part, which is
# the namespace's. Without a writable /sys there is no udev, as in any container.
vm_init() {
    local device root=$1
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    # As systemd does where it is not in a container.
    mount -t bpf -o nosuid,nodev,noexec,mode=700 bpf "$root/sys/fs/bpf"
    mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    ln -s /proc/self/fd "$root/dev/fd"
    mkdir "$root/dev/pts"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    mount -t tmpfs -o mode=0755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    cd "$root"
    pivot_root . mnt
    umount -l /mnt
    exec env -i container=l4lb "${vm_environment[@]}" /lib/systemd/systemd --unit=multi-user.target </dev/null
}

vm_boot() {
    local state=''
    [[ -n $vm_disk ]] || vm_make_disk
    (
        echo "$BASHPID" >"$VM_SCRATCH/cgroup/$VM_CGROUP/cgroup.procs"
        exec nsenter --net="/run/netns/$1" -- \
            unshare --mount --propagation private --uts --ipc --pid --cgroup --fork --kill-child -- \
            bash "$vm_file" init "$vm_disk"
    ) &
    vm_parent=$!
    for _ in {1..300}; do
        # The shell that becomes systemd is there first.
        vm_pid=$(pgrep --parent "$vm_parent" --exact systemd) || vm_pid=''
        if [[ -n $vm_pid ]]; then state=$(in_vm systemctl is-system-running 2>/dev/null) || true; fi
        if [[ $state == running || $state == degraded ]]; then return; fi
        [[ -e /proc/$vm_parent ]] || break
        sleep 0.1
    done
    echo "error: the machine did not come up (${state:-no systemd})" >&2
    return 1
}

in_vm() {
    nsenter --target="$vm_pid" --mount --uts --ipc --net --pid --cgroup -- env -i "${vm_environment[@]}" "$@"
}

ok() { echo "  ok: $1"; }

within() {
    local seconds=$1 text=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "not within $seconds s: $text"
        sleep 0.2
    done
    ok "$text"
}

vm_shutdown() {
    in_vm systemctl poweroff
    for _ in {1..300}; do
        [[ -e /proc/$vm_parent ]] || return 0
        sleep 0.1
    done
    echo "error: the machine does not go down" >&2
    return 1
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    set -euo pipefail
    case ${1:-} in
        world) shift && vm_in_world "$@" ;;
        init) vm_init "$2" ;;
        *) echo "usage: to be sourced" >&2 && exit 2 ;;
    esac
fi
