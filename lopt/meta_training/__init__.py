"""Meta-training: gradient descent on the parameters of an optimizer.

gradient    the meta-objective and its gradient through a whole run
loop        meta-steps, validation, the best theta
run         a training that can be interrupted and resumes
abreast     several seeds of a task in one program
outcome     what a training led to, stored or refused
recipes     trainings by name, outside the workflow
search      recipes drawn at random, ranked, the best trained on
trial       one recipe for one rung of that search
selection   which of several trained optimizers to show
"""
