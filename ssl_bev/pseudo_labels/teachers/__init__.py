from .teacher import KINDS, Teacher, build_teacher

__all__ = ['KINDS', 'Teacher', 'build_teacher']
