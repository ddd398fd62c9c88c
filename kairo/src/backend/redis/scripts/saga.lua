-- Sagas. A saga is a hash, and has a place in one more list while it goes on or when it has ended:
-- with its owner, or where nobody has it, by its name; by when it is due, or when it ended.
local LIVE = { running = true, compensating = true }
local ENDED = { completed = true, compensated = true, failed = true }

local function saga_at(id)
  local found = redis.call('HMGET', home .. 'saga:' .. id,
    'saga', 'phase', 'due', 'owner', 'changed', 'epoch', 'revision', 'cancelled')
  if not found[1] then
    return nil
  end
  return {
    saga = found[1], phase = found[2], due = found[3], owner = found[4] or nil, changed = found[5],
    epoch = found[6], revision = found[7], cancelled = found[8] == '1',
  }
end

-- The list that has a saga, and its score there.
local function list_of(saga)
  if ENDED[saga.phase] then
    return 'sagas-ended', saga.changed
  elseif not LIVE[saga.phase] then
    return nil
  elseif saga.owner then
    return 'sagas-of:' .. saga.owner, saga.due
  end
  return 'sagas-due:' .. saga.saga, saga.due
end

-- Moves a saga from the list that had it to the one that has it from now on.
local function list_saga(id, before, after)
  local old = before and list_of(before)
  local new, score = list_of(after)
  if old and old ~= new then
    redis.call('ZREM', home .. old, id)
    if before.owner and redis.call('EXISTS', home .. 'sagas-of:' .. before.owner) == 0 then
      redis.call('SREM', home .. 'saga-owners', before.owner)
    end
  end
  if new then
    redis.call('ZADD', home .. new, score, id)
    if after.owner and old ~= new then
      redis.call('SADD', home .. 'saga-owners', after.owner)
    end
  end
end

-- Notes who has a saga from now on; nobody without an owner.
local function set_owner(id, saga, owner)
  local after = { saga = saga.saga, phase = saga.phase, due = saga.due, changed = saga.changed, owner = owner }
  if owner then
    redis.call('HSET', home .. 'saga:' .. id, 'owner', owner)
  else
    redis.call('HDEL', home .. 'saga:' .. id, 'owner')
  end
  list_saga(id, saga, after)
end
