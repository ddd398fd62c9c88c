-- Streams. A stream is a list of the sequences of its events by version. Where events were deleted,
-- the list has a 0, or begins behind them: then `gone` has how many versions lie before the list,
-- the newest version that was the last one when it was deleted (`-` for none), whether the stream is closed,
-- and the last version that somebody wanted gone (`-` for none).
local function gone_of(stream)
  local gone = any_gone and redis.call('HGET', home .. 'gone', stream)
  if not gone then
    return nil
  end
  local before, newest, closed, removed = string.match(gone, '^(%d+) (%S+) (%d) (%S+)$')
  return {
    before = tonumber(before),
    newest = tonumber(newest),
    closed = closed == '1',
    removed = tonumber(removed),
  }
end

-- The first entry of a list is never a 0, so a stream with a list has events.
local function tip_of(stream)
  local length = redis.call('LLEN', home .. 'stream:' .. stream)
  local gone = gone_of(stream)
  return {
    version = length + (gone and gone.before or 0),
    has_events = 0 < length,
    closed = gone ~= nil and gone.closed,
  }
end
