return answer('ready')
