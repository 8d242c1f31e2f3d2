-- over
return (string.rep('a', 20000)):find('(.-)b%1')
