-- contained
return pcall(function() return kumo.string.eval_template('t', '{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}', {}) end)
