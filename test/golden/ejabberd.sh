# A system that nobody here wrote: attach to a running ejabberd under load, record 30 s, detach. It serves on, nothing is left.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root to install ejabberd and to run it as its own user"
if ! command -v ejabberdctl >/dev/null; then
  command -v apt-get >/dev/null || skip "ejabberd is not installed, and there is no apt-get"
  policy=/usr/sbin/policy-rc.d # packages must not start services here
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && own_policy=1; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ejabberd >"$work/apt.log" 2>&1
  installed=$?
  [ -z "${own_policy:-}" ] || rm -f $policy
  [ $installed = 0 ] || skip "ejabberd cannot be installed here: $(tail -n 1 "$work/apt.log")"
fi
id ejabberd >/dev/null 2>&1 || skip "there is no user ejabberd"
port=$((20000 + $$ % 20000)) node=ej_$$@localhost cookie=ejtest$$ here=$work/ej
mkdir -p "$here/spool" "$here/logs"
cp /etc/ejabberd/inetrc "$here/"
cat >"$here/ejabberd.yml" <<YML
hosts: [localhost]
loglevel: 3
auth_password_format: plain
listen:
  - {port: $port, ip: "127.0.0.1", module: ejabberd_c2s, starttls_required: false, access: c2s, shaper: none}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}, c2s: {allow: all}, register: {allow: all}}
modules: {mod_disco: {}, mod_roster: {}, mod_ping: {}, mod_offline: {}, mod_last: {}, mod_vcard: {}, mod_register: {ip_access: all}}
YML
printf 'ERLANG_NODE=%s\n' "$node" >"$here/ejabberdctl.cfg"
chown -R ejabberd:ejabberd "$here"
chmod 755 "$work"
libs=$(dirname "$(dpkg -L ejabberd | grep '/ejabberd.app$' | head -n 1 | xargs dirname | xargs dirname)")
setpriv --reuid ejabberd --regid ejabberd --init-groups env HOME="$here/spool" ERL_LIBS="$libs" EJABBERD_CONFIG_PATH="$here/ejabberd.yml" EJABBERD_LOG_PATH="$here/logs/ejabberd.log" \
  erl -noinput -sname "$node" -setcookie "$cookie" +P 250000 -mnesia dir "\"$here/spool\"" -s ejabberd >"$work/ejabberd.log" 2>&1 &
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
wait_until 60 listening || fail "ejabberd does not listen: $(tail -n 20 "$work/ejabberd.log" "$here/logs/ejabberd.log")"

ask() { erl -noshell -hidden -sname "es_ask_$$" -setcookie "$cookie" -eval "N = '$node', io:format(\"~0p\", [begin $1 end]), halt()."; }
register() {
  ask '[rpc:call(N, ejabberd_auth, try_register, [iolist_to_binary(["user", integer_to_list(I)]), <<"localhost">>, <<"secret">>]) || I <- lists:seq(0, 9)]' >"$work/registered"
  grep -q ok "$work/registered"
}
wait_until 30 register || fail "no users: $(cat "$work/registered")"

python3 "$source_dir/test/workload/xmpp_load.py" "$port" localhost 10 "${ES_EJABBERD_SECONDS:-36}" >"$work/load.txt" 2>&1 &
load=$!
sleep 1
"$scope" attach "$node" --cookie "$cookie" --for "${ES_EJABBERD_RECORD:-30s}" --budget off --overwrite -o "$work/ej.scope" >"$work/recorder.log" 2>&1 || fail "attach"
wait "$load" || fail "ejabberd did not serve while it was recorded: $(tail -n 5 "$work/load.txt")"
cat "$work/load.txt"
python3 "$source_dir/test/workload/xmpp_load.py" "$port" localhost 10 3 >"$work/after.txt" 2>&1 || fail "ejabberd does not serve after it was recorded: $(tail -n 5 "$work/after.txt")"
"$scope" info "$work/ej.scope"
for kind in send deliver state census; do
  [ "$(json "$work/ej.scope" "['events']['by_kind'].get('$kind', 0)")" -gt 100 ] || fail "few events of kind $kind"
done
expect losses "$(json "$work/ej.scope" "['losses']['total']")" 0
"$scope" events "$work/ej.scope" --text 'of user3' --limit 1 --json | grep -q 'of user3' || fail "a message of the load is not in the recording"
left=$(ask '[[X || P <- rpc:call(N, erlang, processes, []), X <- [rpc:call(N, erlang, trace_info, [P, flags])], X =/= {flags, []}, X =/= undefined],
  [M || {M, _} <- rpc:call(N, code, all_loaded, []), lists:prefix("elixirscope", atom_to_list(M))],
  [R || R <- rpc:call(N, erlang, registered, []), lists:prefix("elixirscope", atom_to_list(R))],
  re:run(element(2, file:read_file("/proc/" ++ rpc:call(N, os, getpid, []) ++ "/maps")), "elixirscope")]')
expect "what is left in ejabberd" "$left" "[[],[],[],nomatch]"
expect "session directories left" "$(ls -d /dev/shm/elixirscope-"$(id -u ejabberd)"/*/ 2>/dev/null | wc -l)" 0
pass
