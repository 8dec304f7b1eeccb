-- Stands before the scripts that add lines to the transcript or read the last ones.
-- A line is stored as "state fingerprint length\n" .. text .. the other fields as JSON, so that scripts can change
-- its state without decoding JSON. Of an encrypted line the length is 0, and what follows is the sealed body of
-- "length\n" .. text .. the other fields.

-- nil when there is no such message, 'same', or 'reused' when it is there with other content.
local function known_as(lines, id, fingerprint)
  local line = redis.call('HGET', lines, id)
  if not line then return nil end
  local known = string.match(line, '^%a+ (%S+) ')
  return (known == '-' or known == fingerprint) and 'same' or 'reused'
end

-- To be called after begin_write(). A number that a snapshot promised to this message is used before a new one is
-- taken, unless another line has it by now.
local function add_line(conversation, lines, numbers, promised, id, line)
  local number = redis.call('HGET', promised, id)
  if number then redis.call('HDEL', promised, id) end
  if not number or redis.call('ZCOUNT', numbers, number, number) > 0 then
    number = redis.call('HINCRBY', conversation, 'head', 1)
    redis.call('PERSIST', conversation)
  end
  redis.call('HSET', lines, id, line)
  redis.call('ZADD', numbers, number, id)
  return number
end

-- Id, number and line of each, as found with their numbers.
local function lines_of(lines, found)
  local out = {}
  for i = 1, #found, 2 do
    out[#out + 1] = found[i]
    out[#out + 1] = found[i + 1]
    out[#out + 1] = redis.call('HGET', lines, found[i])
  end
  return out
end

