local kumo = require 'kumo'
local test = require 'testing'
local jsonl = kumo.jsonl

local function write(directory, from, to, options)
  options = options or {}
  options.log_dir = directory
  local writer = jsonl.new_writer(options)
  for i = from, to do
    writer:write_record { n = i, even = i % 2 == 0 }
  end
  writer:close()
end

local function plain(path, text)
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
end

local function numbers(batch)
  local list = {}
  for record in batch:iter_records() do
    list[#list + 1] = record.n
  end
  return table.concat(list, ' ')
end

test('batches, a checkpoint, and going on after it', function(directory)
  write(directory, 1, 5)
  local options = { directory = directory, max_batch_size = 2, max_batch_latency = 0.01, checkpoint_name = 'mine' }
  local tailer = jsonl.new_tailer(options)
  local seen = {}
  for batch in tailer:batches() do
    seen[#seen + 1] = numbers(batch)
    test.equal(batch:consumer_name(), 'mine')
    if #seen < 3 then
      batch:commit()
      test.raises('committed already', batch.commit, batch)
    else
      test.equal(batch:records()[1].n, 5)
      tailer:close()
    end
  end
  test.equal(seen, { '1 2', '3 4', '5' })

  write(directory, 6, 7)
  local again = jsonl.new_tailer(options)
  local next_batch = again:batches()
  -- What was not committed comes again.
  test.equal({ numbers(next_batch()), numbers(next_batch()) }, { '5 6', '7' })
  again:close()
  test.equal(next_batch(), nil)
end)

test('plain and compressed segments, names by pattern, lines as they come', function(directory)
  plain(directory .. '/20250101-000000.000-a.log', '{"n":1}\n{"n":2}\n{"n":')
  plain(directory .. '/other.txt', '{"n":99}\n')
  local tailer = jsonl.new_tailer { directory = directory, pattern = '*.log', max_batch_latency = 0.01 }
  local next_batch = tailer:batches()
  test.equal(numbers(next_batch()), '1 2')
  local file = assert(io.open(directory .. '/20250101-000000.000-a.log', 'a'))
  file:write '3}\n'
  file:close()
  test.equal(numbers(next_batch()), '3')
  write(directory, 4, 5, { suffix = '.log' })
  test.equal(numbers(next_batch()), '4 5')
  tailer:close()
end)

test('tail begins with the newest segment, whatever the checkpoint says', function(directory)
  write(directory, 1, 3)
  plain(directory .. '/20990101-000000.000', '{"n":4}\n')
  local options = { directory = directory, max_batch_latency = 0.01, checkpoint_name = 'mine', max_batch_size = 10 }
  local first = jsonl.new_tailer(options)
  local batch = first:batches()()
  test.equal(numbers(batch), '1 2 3 4')
  batch:commit()
  first:close()
  options.tail = true
  local tailer = jsonl.new_tailer(options)
  test.equal(numbers(tailer:batches()()), '4')
  tailer:close()
end)

test('filters', function(directory)
  write(directory, 1, 400)
  local tailer = jsonl.new_tailer({ directory = directory, max_batch_size = 400, max_batch_latency = 0.01 }, function(record)
    if record.n == 100 then
      kumo.time.sleep(0.001)
    end
    return record.even and record.n > 20
  end)
  local batch = tailer:batches()()
  test.equal(#batch:records(), 190)
  test.equal(batch:records()[1].n, 22)
  tailer:close()
  local failing = jsonl.new_tailer({ directory = directory, max_batch_latency = 0.01 }, function()
    error 'no filter'
  end)
  test.raises('no filter', failing:batches())
  failing:close()
end)

test('several consumers', function(directory)
  write(directory, 1, 4)
  local tailer = jsonl.new_multi_tailer {
    directory = directory,
    consumers = {
      { name = 'all', max_batch_size = 10, max_batch_latency = 0.01, checkpoint_name = 'all' },
      {
        name = 'odd',
        max_batch_size = 10,
        max_batch_latency = 0.01,
        filter = function(record)
          return not record.even
        end,
      },
    },
  }
  local seen = {}
  for batches in tailer:batches() do
    for _, batch in ipairs(batches) do
      seen[batch:consumer_name()] = numbers(batch)
      batch:commit()
    end
    if seen.all and seen.odd then
      tailer:close()
    end
  end
  test.equal(seen, { all = '1 2 3 4', odd = '1 3' })
end)

test('damage and mistakes', function(directory)
  plain(directory .. '/20250101-000000.000', '{"n":1}\n{broken\n')
  local tailer = jsonl.new_tailer { directory = directory, max_batch_latency = 0.01 }
  test.raises('a line of the log is no JSON', tailer:batches())
  tailer:close()
  plain(directory .. '/20250101-000000.000', 'no log at all\n')
  local other = jsonl.new_tailer { directory = directory, max_batch_latency = 0.01 }
  test.raises('20250101-000000.000: ', other:batches())
  other:close()
  test.raises("did you mean `checkpoint_name`?", jsonl.new_tailer, { directory = directory, checkpoint_nmae = 'x' })
  test.raises('there are no consumers', jsonl.new_multi_tailer, { directory = directory, consumers = {} })
end)
