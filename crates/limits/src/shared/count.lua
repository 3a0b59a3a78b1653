-- Counts an attempt under all keys or, if one of them has no attempt left, under none: the arithmetic of gcra.rs, in
-- microseconds of the server's clock, so that the clocks of the nodes do not matter.
--
-- ARGV: the mode (`take`, `charge` or `peek`), then the capacity and the amount of each key.
-- Returns 0 and what is left of each capacity; or the index of the first key without an attempt left, and the wait.
local mode = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local states = redis.call('MGET', unpack(KEYS))
local counted = {}
local result = {0}
for index = 1, #KEYS do
  local capacity, amount = tonumber(ARGV[2 * index]), tonumber(ARGV[2 * index + 1])
  local used = math.min(math.max((tonumber(states[index]) or 0) - now, 0), capacity)
  if mode ~= 'charge' and used + amount > capacity then
    return {index, used + amount - capacity}
  end
  counted[index] = math.min(used + amount, capacity)
  result[index + 1] = capacity - counted[index]
end
if mode ~= 'peek' then
  for index = 1, #KEYS do
    -- Exact, unlike `tostring`. A key without a state is a full quota, so the key ends when its quota is full.
    local state = string.format('%.0f', now + counted[index])
    redis.call('SET', KEYS[index], state, 'PX', math.max(math.ceil(counted[index] / 1000), 1))
  end
end
return result
