-- Shared by all scripts: names of keys, and changes of sorted sets with few commands.
-- Before this text the adapter writes the status table (CLAIMABLE, PUBLISHABLE, TERMINAL, LIVE, STATUSES) and the
-- names of stored fields: X_FIELDS lists those of a hash, and X maps a name to its place among the arguments or
-- answers of one item, counted from 0; X.size is how many there are.

local PREFIX = KEYS[1]             -- "{taskrunner}:"; its hash tag puts all keys in one slot
local TASK = PREFIX .. 'task:'     -- hash: the record of one task
local KEY = PREFIX .. 'key:'       -- string: "<task id> <fingerprint>" of an idempotency key
local DEAD_MESSAGE_KEY = PREFIX .. 'dead-message:' -- hash: an unreadable message
local SCHEDULE_KEY = PREFIX .. 'schedule:' -- hash: a schedule
local INDEX = PREFIX .. 'in:'      -- sorted set per status: ids by time of creation, ms
local DUE_TIMES = PREFIX .. 'due'  -- sorted set: ids of live tasks by due time, ms
local NAMESPACES = PREFIX .. 'namespaces' -- sorted set: the namespaces that ids began with, all with score 0
local DEDUPS = PREFIX .. 'dedups'  -- hash: "<task id> <until, ms>" by dedup key
local DEDUP_ENDS = PREFIX .. 'dedup-ends' -- sorted set: the same keys by when to see whether they are still held, ms
local DEADLINES = PREFIX .. 'deadlines' -- sorted set: ids of live tasks that have a deadline by it, ms
local DEAD = PREFIX .. 'dead'      -- sorted set: "t:<task id>" and "m:<message id>" by time of death, ms
local RETENTION = PREFIX .. 'retention' -- sorted set: "t:<task id>" and "m:<message id>" by the end of retention, ms
local SCHEDULES = PREFIX .. 'schedules' -- sorted set: names of schedules, all with score 0
local SLOTS = PREFIX .. 'slots'    -- sorted set: names of schedules that are not paused by next slot, ms
local WEBHOOKS = PREFIX .. 'webhooks' -- hash: webhooks by name
local EXECUTORS = PREFIX .. 'executors' -- hash: executors by name
local QUEUES = PREFIX .. 'queues' -- hash: declared queues by name
local API_KEYS = PREFIX .. 'api-keys' -- hash: API keys by name
local SESSIONS = PREFIX .. 'sessions' -- hash: sessions of the console by id
local SESSION_USES = PREFIX .. 'session-uses' -- hash: when each was last used
local RATE = PREFIX .. 'rate:'     -- string: theoretical arrival time of the next request of an API key, us
local AUDIT = PREFIX .. 'audit'    -- hash: audit entries by id
local AUDIT_IDS = PREFIX .. 'audit-ids' -- sorted set: the same ids, all with score 0: they sort by time
local CHANGES = PREFIX .. 'changes' -- stream: id and new status of each task that changed it; only while it is read
local CHANGE_CURSORS = PREFIX .. 'change-cursors' -- hash: up to where somebody has read the log, by name
local CHANGES_SECRET = PREFIX .. 'changes-secret' -- string: as old as the stream
local OPERATION_KEY = PREFIX .. 'operation:' -- hash: an operation
local OPERATIONS = PREFIX .. 'operations' -- sorted set: ids of operations, all with score 0: they sort by time
local LIVE_OPERATIONS = PREFIX .. 'live-operations' -- sorted set: those that have not ended, all with score 0
local OPERATION_ENDS = PREFIX .. 'operation-ends' -- sorted set: the others by their end, ms
local REPORT = PREFIX .. 'report:' -- string: the report of a consumer
local REPORTS = PREFIX .. 'reports' -- sorted set: consumers by the end of their report, ms
local FIGURES = PREFIX .. 'figures:' -- hash per resolution and time: figures by process
local HOSTS = PREFIX .. 'hosts'    -- hash: "<version> <until, ms> <state>" by host
local HOST_LIMITS = PREFIX .. 'host-limits' -- hash: limit by pattern
local HOST_ENDS = PREFIX .. 'host-ends' -- sorted set: the same hosts by the time from which the state is void

-- unpack() may put some 8,000 values on Lua's stack; long lists go out in parts.
local PART = 2000

-- What remains of a deleted task is its hash with a token that begins so, and nothing else.
local GONE = '-'

local call = redis.call
local concat, find, match = table.concat, string.find, string.match
local adds, removals = {}, {}
local moves, created = {}, {} -- from where to where; the score of a task that moves
local changes = {} -- ids, each followed by its new status ('' for a task that is deleted)

local function gather(lists, set)
  local list = lists[set]
  if not list then
    list = {}
    lists[set] = list
  end
  return list
end

local function add(set, score, member)
  local list = gather(adds, set)
  local size = #list
  list[size + 1] = score
  list[size + 2] = member
end

local function remove(set, member)
  local list = gather(removals, set)
  list[#list + 1] = member
end

local function changed(id, status)
  local size = #changes
  changes[size + 1], changes[size + 2] = id, status
end

local function move(id, from, to)
  if from ~= to then
    changed(id, to)
    remove(INDEX .. from, id)
    local last = moves[#moves]
    if not last or last.from ~= from or last.to ~= to then
      last = { from = from, to = to, ids = {} }
      moves[#moves + 1] = last
    end
    last.ids[#last.ids + 1] = id
  end
end

-- What a namespace has of a set: one of INDEX, DEAD, or OPERATIONS. An API key that sees only its own must not search
-- among those of all.
local function own(set, namespace)
  return set .. ':' .. namespace
end

local function lists_tasks(set)
  return set == DEAD or find(set, INDEX, 1, true) == 1
end

-- Changes what namespaces have of each set as the set changes: `lists` has a member at every `step`th place. Answers
-- with these namespaces. Most batches have none: one look at all members of a set tells, while a look at each cost a
-- tenth of the script's time.
local function follow(lists, step)
  local found, namespaces = {}, {}
  for set, list in pairs(lists) do
    if lists_tasks(set) and find(concat(list, ' '), '~', 1, true) then
      local pattern = set == DEAD and '^t:([^~]*~)' or '^[^~]*~'
      for i = step, #list, step do
        local namespace = match(list[i], pattern)
        if namespace then
          local changes = gather(found, own(set, namespace))
          for place = i - step + 1, i do
            changes[#changes + 1] = list[place]
          end
          namespaces[namespace] = true
        end
      end
    end
  end
  for set, list in pairs(found) do
    lists[set] = list
  end
  return namespaces
end

local function send(command, lists)
  for set, list in pairs(lists) do
    for first = 1, #list, PART do
      call(command, set, unpack(list, first, math.min(first + PART - 1, #list)))
    end
  end
end

-- A task keeps its score: one look for many. One that is misfiled gets the time of its last change.
local function add_moved()
  for _, group in ipairs(moves) do
    for first = 1, #group.ids, PART do
      local last = math.min(first + PART - 1, #group.ids)
      local scores = call('ZMSCORE', INDEX .. group.from, unpack(group.ids, first, last))
      for i = first, last do
        local id = group.ids[i]
        created[id] = scores[i - first + 1] or created[id] or call('HGET', TASK .. id, 'updated_ms')
        add(INDEX .. group.to, created[id], id)
      end
    end
  end
end

-- The log is there while somebody reads it; an expired one is not made again.
local function log_changes()
  if #changes > 0 and call('EXISTS', CHANGES) == 1 then
    for i = 1, #changes, 2 do
      call('XADD', CHANGES, 'MAXLEN', '~', MOST_CHANGES, '*', changes[i], changes[i + 1])
    end
  end
end

-- Additions first: a server that is out of memory must refuse the first write of a script, not a later one.
local function flush()
  add_moved()
  for namespace in pairs(follow(adds, 2)) do
    add(NAMESPACES, '0', namespace)
  end
  follow(removals, 1)
  send('ZADD', adds)
  send('ZREM', removals)
  log_changes()
end
