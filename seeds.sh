#!/bin/bash
cd /tmp/drill-work; mkdir -p seeds
for n in 2 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
  [[ -e stop-seeds ]] && exit
  peers=; [[ $n == 2 ]] && peers="--peer haproxy --peer nginx --peer dnsdist"
  nice -n 5 ./sw4 drill all --traps --seed $n $peers --json --report seeds/$n.html > seeds/$n.json 2> seeds/$n.err; echo "$n $? $(date +%T) $(cut -d' ' -f1 /proc/loadavg)" >> seeds/log
done
