-- over
local subject = string.rep('a', 30000)
return subject:match('^(.-)%s*(.-)%s*(.-)%s*$x')
