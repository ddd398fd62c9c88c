-- Gives back all sagas that an owner has.
release_sagas(take())
return keep('released')
